"""The log of calls that may change something: noted before they are executed, and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...domain.access import AuditEntry, AuditFilter, Principal
from ...domain.errors import ValidationError
from ...domain.redaction import redact
from ...ports.runtime import Clock, Ids
from ...ports.storage import Store
from ..unit_attempts import typed_errors, undisturbed


@dataclass(frozen=True, slots=True)
class AuditLog:
    """Who asked for which change. Secrets in the texts of callers are masked."""

    store: Store
    clock: Clock
    ids: Ids

    def begin(self, principal: Principal, peer: str, method: str, resource: str) -> str:
        """Note a call that is about to be executed; the id of its entry.

        Raises a SpineError when it is not in the store for good: then the call must not be
        executed.
        """
        entry = AuditEntry(
            id=self.ids.new(),
            at=self.clock.now(),
            caller=principal.name,
            role=principal.role,
            peer=redact(peer),
            method=redact(method),
            resource=redact(resource),
        )
        with typed_errors(f"recording a call of {method}"):
            undisturbed(lambda: self._record(entry))
        return entry.id

    def end(self, entry_id: str, outcome: str, result: str | None = None) -> bool:
        """Note how a call ended, and what came of it; False when that was noted before.

        Raises a SpineError when it cannot be noted: the entry then stays without an outcome.
        """
        told = None if result is None else redact(result)
        with typed_errors(f"recording the outcome of call {entry_id}"):
            return undisturbed(lambda: self._end(entry_id, outcome, told))

    def list(self, wanted: AuditFilter) -> Sequence[AuditEntry]:
        """Newest first. Raises a ValidationError for a limit below 1."""
        if wanted.limit < 1:
            raise ValidationError(
                f"limit is {wanted.limit}, but at least 1 call has to be asked for",
                hint="give a limit of 1 or more",
            )
        with self.store.read() as unit:
            return unit.access.calls(wanted)

    def _record(self, entry: AuditEntry) -> None:
        with self.store.write() as unit:
            unit.access.record_call(entry)
            unit.commit()

    def _end(self, entry_id: str, outcome: str, result: str | None) -> bool:
        with self.store.write() as unit:
            noted = unit.access.end_call(entry_id, outcome, result)
            unit.commit()
        return noted
