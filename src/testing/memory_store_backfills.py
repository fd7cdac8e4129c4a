"""Backfills in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from ..domain.backfills import Backfill, BackfillPart, BackfillState, PartState
from ..domain.errors import LoadError
from .memory_store_state import MemoryTransaction, as_json, as_utc, as_utc_or_none


class MemoryBackfillStore:
    """Backfills of one transaction."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._transaction = transaction

    def add(
        self, backfill: Backfill, parts: Iterable[BackfillPart], *, request: str | None = None
    ) -> None:
        state = self._transaction.writing
        if request is not None and request in state.backfill_requests:
            raise LoadError(f"the request {request} has made a backfill already")
        if backfill.id in state.backfills:
            raise LoadError(f"there is a backfill {backfill.id} already")
        numbered: dict[int, BackfillPart] = {}
        for part in parts:
            if part.number in numbered:
                raise LoadError(f"backfill {backfill.id} has a partition {part.number} already")
            what = f"the parameters of partition {part.number} of backfill {backfill.id}"
            numbered[part.number] = replace(part, parameters=as_json(part.parameters, what))
        state.backfills[backfill.id] = replace(
            backfill,
            only=tuple(backfill.only),
            parameters=as_json(backfill.parameters, f"the parameters of backfill {backfill.id}"),
            step=as_json(backfill.step, f"the step of backfill {backfill.id}"),
            created_at=as_utc(backfill.created_at),
            finished_at=as_utc_or_none(backfill.finished_at),
        )
        state.parts[backfill.id] = dict(sorted(numbered.items()))
        if request is not None:
            state.backfill_requests[request] = backfill.id

    def get(self, backfill_id: str) -> Backfill | None:
        return self._transaction.reading.backfills.get(backfill_id)

    def find_request(self, request: str) -> Backfill | None:
        state = self._transaction.reading
        made = state.backfill_requests.get(request)
        return None if made is None else state.backfills[made]

    def hold(self, backfill_id: str) -> Backfill | None:
        """The backfill; there is one writer at a time, who holds all of them."""
        return self._transaction.writing.backfills.get(backfill_id)

    def list(
        self,
        *,
        pipeline: str | None = None,
        state: BackfillState | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> Sequence[Backfill]:
        found = [
            backfill
            for key, backfill in sorted(self._transaction.reading.backfills.items(), reverse=True)
            if (before is None or key < before)
            and pipeline in (None, backfill.pipeline)
            and state in (None, backfill.state)
        ]
        return found[:limit]

    def change(
        self,
        backfill_id: str,
        *,
        expected: Collection[BackfillState],
        state: BackfillState,
        finished_at: datetime | None = None,
        max_active: int | None = None,
    ) -> bool:
        backfills = self._transaction.writing.backfills
        present = backfills.get(backfill_id)
        if present is None or present.state not in expected:
            return False
        backfills[backfill_id] = replace(
            present,
            state=state,
            finished_at=as_utc_or_none(finished_at),
            max_active=present.max_active if max_active is None else max_active,
        )
        return True

    def counts(self, backfill_id: str) -> dict[PartState, int]:
        parts = self._transaction.reading.parts.get(backfill_id, {})
        return dict(Counter(part.state for part in parts.values()))

    def parts(
        self,
        backfill_id: str,
        *,
        states: Collection[PartState] = (),
        after: int = 0,
        limit: int = 1000,
    ) -> Sequence[BackfillPart]:
        parts = self._transaction.reading.parts.get(backfill_id, {})
        found = [
            part
            for part in parts.values()
            if part.number > after and (not states or part.state in states)
        ]
        return found[:limit]

    def change_parts(self, *changed: BackfillPart, expected: PartState) -> int:
        every = self._transaction.writing.parts
        count = 0
        for part in changed:
            known = every.get(part.backfill, {}).get(part.number)
            if known is not None and known.state is expected:
                now = replace(known, state=part.state, run=part.run)
                every[part.backfill] = {**every[part.backfill], part.number: now}
                count += 1
        return count
