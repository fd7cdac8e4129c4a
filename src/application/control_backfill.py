"""Limit, pause, resume and cancel backfills."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from ..domain.backfills import Backfill, BackfillState, PartState
from ..domain.errors import ValidationError
from ..ports.storage import Store, UnitOfWork
from .backfills import backfill_not_found, check_active
from .lifecycle import Lifecycle
from .unit_attempts import typed_errors, undisturbed


@dataclass(frozen=True, slots=True)
class ControlBackfill:
    """Limits, pauses, resumes and cancels backfills. What they have queued already is executed."""

    store: Store
    lifecycle: Lifecycle

    def pause(self, backfill_id: str) -> Backfill:
        """Queue no further partitions; those that are active go on to their end."""
        return self._change(backfill_id, [BackfillState.RUNNING], BackfillState.PAUSED)

    def resume(self, backfill_id: str) -> Backfill:
        """Go on where it was paused."""
        return self._change(backfill_id, [BackfillState.PAUSED], BackfillState.RUNNING)

    def cancel(self, backfill_id: str) -> Backfill:
        """Cancel the partitions that are active, and all that are still planned."""
        live = [BackfillState.RUNNING, BackfillState.PAUSED]
        return self._change(backfill_id, live, BackfillState.CANCELLED)

    def limit(self, backfill_id: str, max_active: int) -> Backfill:
        """Let so many partitions run at once from now on; those that are active go on.

        Raises a ValidationError for a number that cannot be, and for a backfill that is over.
        """
        check_active(max_active)
        with typed_errors(f"changing backfill {backfill_id}"):
            return undisturbed(lambda: self._limited(backfill_id, max_active))

    def _limited(self, backfill_id: str, max_active: int) -> Backfill:
        with self.store.write() as unit:
            held = unit.backfills.hold(backfill_id)
            if held is None:
                raise backfill_not_found(backfill_id)
            if held.state.final:
                raise ValidationError(
                    f"backfill {backfill_id} is {held.state.value}",
                    hint="only one that goes on or is paused can be changed",
                )
            unit.backfills.change(
                backfill_id, expected=[held.state], state=held.state, max_active=max_active
            )
            changed = replace(held, max_active=max_active)
            self.lifecycle.progression.fill(unit, changed)
            changed = unit.backfills.get(backfill_id) or changed
            unit.commit()
        return changed

    def _change(
        self, backfill_id: str, expected: Collection[BackfillState], state: BackfillState
    ) -> Backfill:
        with typed_errors(f"changing backfill {backfill_id}"):
            return undisturbed(lambda: self._changed(backfill_id, expected, state))

    def _changed(
        self, backfill_id: str, expected: Collection[BackfillState], state: BackfillState
    ) -> Backfill:
        with self.store.write() as unit:
            held = unit.backfills.hold(backfill_id)
            if held is None:
                raise backfill_not_found(backfill_id)
            if held.state is state:
                return held
            finished = unit.queue.now() if state.final else None
            if not unit.backfills.change(
                backfill_id, expected=expected, state=state, finished_at=finished
            ):
                raise ValidationError(
                    f"backfill {backfill_id} is {held.state.value}",
                    hint=f"only one that is {' or '.join(expected)} can be {state.value}",
                )
            if state is BackfillState.CANCELLED:
                self._cancel_parts(unit, backfill_id)
            changed = unit.backfills.get(backfill_id) or held
            if state is BackfillState.RUNNING:
                self.lifecycle.progression.fill(unit, changed)
                changed = unit.backfills.get(backfill_id) or changed
            unit.commit()
        return changed

    def _cancel_parts(self, unit: UnitOfWork, backfill_id: str) -> None:
        while planned := unit.backfills.parts(backfill_id, states=[PartState.PLANNED]):
            cancelled = (replace(part, state=PartState.CANCELLED) for part in planned)
            unit.backfills.change_parts(*cancelled, expected=PartState.PLANNED)
        for part in unit.backfills.parts(backfill_id, states=[PartState.ACTIVE]):
            if part.run is not None:
                self.lifecycle.cancel(unit, part.run)
