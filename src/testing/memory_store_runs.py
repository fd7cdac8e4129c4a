"""Runs in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

from ..domain.errors import LoadError, SpineError
from ..domain.runs import Place, Run, RunFilter, RunState, StepCount
from .memory_store_state import MemoryState, MemoryTransaction, as_json, as_utc, as_utc_or_none


class MemoryRunStore:
    """Runs of one transaction."""

    def __init__(self, transaction: MemoryTransaction) -> None:
        self._transaction = transaction

    def add(self, *runs: Run, request: str | None = None) -> None:
        state = self._transaction.writing
        if request is not None and request in state.requests:
            raise LoadError(f"the request {request} has made a run already")
        for run in runs:
            if run.id in state.runs:
                raise LoadError(f"there is a run {run.id} already")
            state.require_run(run.parent)
            state.runs[run.id] = _kept(run)
        if request is not None:
            state.requests[request] = runs[0].id

    def get(self, run_id: str) -> Run | None:
        return self._transaction.reading.runs.get(run_id)

    def find(self, run_ids: Collection[str]) -> tuple[Run, ...]:
        return _those(self._transaction.reading, run_ids)

    def places(self, run_ids: Collection[str]) -> tuple[Place, ...]:
        return tuple(
            Place(run.id, run.parent, run.backfill, run.plan is not None)
            for run in self.find(run_ids)
        )

    def parts(self, parents: Collection[str], state: RunState | None = None) -> tuple[Run, ...]:
        wanted, runs = set(parents), self._transaction.reading.runs
        found = (run for _, run in sorted(runs.items()) if run.parent in wanted)
        return tuple(run for run in found if state in (None, run.state))

    def begin(self, run_ids: Collection[str], *, owner: str, at: datetime) -> int:
        state = self._transaction.writing
        pending = [
            run
            for run in (state.runs.get(run_id) for run_id in set(run_ids))
            if run is not None and run.state is RunState.PENDING
        ]
        for run in pending:
            state.runs[run.id] = replace(
                run,
                state=RunState.RUNNING,
                owner=owner,
                started_at=run.started_at or as_utc(at),
                attempt=run.attempt + 1,
            )
        return len(pending)

    def put_back(self, run_id: str) -> bool:
        state = self._transaction.writing
        run = state.runs.get(run_id)
        if run is None or run.state is not RunState.RUNNING:
            return False
        state.runs[run_id] = replace(run, state=RunState.PENDING, owner=None)
        return True

    def finish(self, *runs: Run) -> int:
        state = self._transaction.writing
        finished = 0
        for run in runs:
            present = state.runs.get(run.id)
            if present is None or present.state.final:
                continue
            finished += 1
            state.runs[run.id] = _kept(
                replace(
                    present,
                    state=run.state,
                    started_at=run.started_at,
                    finished_at=run.finished_at,
                    owner=run.owner,
                    metrics=run.metrics,
                    warnings=run.warnings,
                    error=run.error,
                    output=run.output,
                    partition=run.partition,
                )
            )
        return finished

    def request_cancel(self, run_ids: Collection[str], at: datetime) -> int:
        state = self._transaction.writing
        asked = [
            run
            for run in _those(state, run_ids)
            if not run.state.final and run.cancel_requested_at is None
        ]
        for run in asked:
            state.runs[run.id] = replace(run, cancel_requested_at=as_utc(at))
        return len(asked)

    def hold(self, *run_ids: str) -> tuple[Run, ...]:
        """The runs; there is one writer at a time, who holds all of them."""
        return _those(self._transaction.writing, run_ids)

    def having_live_parts(self, run_ids: Collection[str]) -> tuple[str, ...]:
        runs = self._transaction.reading.runs.values()
        live = {run.parent for run in runs if not run.state.final}
        return tuple(run_id for run_id in sorted(set(run_ids)) if run_id in live)

    def steps(self, *parents: str) -> tuple[StepCount, ...]:
        counted = Counter(
            (run.parent, run.step, run.state)
            for run in self._transaction.reading.runs.values()
            if run.parent is not None and run.parent in parents and run.step is not None
        )
        return tuple(
            StepCount(parent, step, state, count)
            for (parent, step, state), count in counted.items()
        )

    def list(self, wanted: RunFilter) -> list[Run]:
        state = self._transaction.reading
        ordered = sorted(state.runs.items(), reverse=not wanted.oldest_first)
        found = [run for _, run in ordered if _wants(state, wanted, run)]
        return found[: wanted.limit]


def _those(state: MemoryState, run_ids: Collection[str]) -> tuple[Run, ...]:
    return tuple(state.runs[run_id] for run_id in sorted(set(run_ids)) if run_id in state.runs)


def _wants(state: MemoryState, wanted: RunFilter, run: Run) -> bool:
    return (
        wanted.pipeline in (None, run.pipeline)
        and wanted.state in (None, run.state)
        and wanted.parent in (None, run.parent)
        and not (wanted.top_level_only and run.parent is not None)
        and (wanted.before is None or run.id < wanted.before)
        and (wanted.after is None or run.id > wanted.after)
        and (wanted.since is None or run.created_at >= wanted.since)
        and (wanted.until is None or run.created_at < wanted.until)
        and wanted.partition in (None, run.partition)
        and wanted.trigger in (None, run.trigger)
        and (wanted.category is None or _category(run) is wanted.category)
        and wanted.retry_of in (None, run.retry_of)
        and wanted.backfill in (None, run.backfill)
        and wanted.step in (None, run.step)
        and (wanted.request is None or state.requests.get(wanted.request) == run.id)
    )


def _category(run: Run) -> Any:
    return None if run.error is None else run.error.category


def _kept(run: Run) -> Run:
    error = run.error
    return replace(
        run,
        parameters=as_json(run.parameters, f"the parameters of run {run.id}"),
        metrics=as_json(run.metrics, f"the metrics of run {run.id}"),
        output=as_json(run.output, f"the output of run {run.id}"),
        plan=as_json(run.plan, f"the plan of run {run.id}"),
        warnings=tuple(run.warnings),
        created_at=as_utc(run.created_at),
        started_at=as_utc_or_none(run.started_at),
        finished_at=as_utc_or_none(run.finished_at),
        cancel_requested_at=as_utc_or_none(run.cancel_requested_at),
        error=None
        if error is None
        else SpineError.from_dict(as_json(error.to_dict(), f"the error of run {run.id}")),
    )
