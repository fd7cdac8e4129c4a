"""Run history as it is written: begin and end of a run, also where the store fails in between."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

from ..domain.errors import (
    Category,
    LeaseLostError,
    LoadError,
    SpineError,
    as_spine_error,
)
from ..domain.queueing import Lease
from ..domain.runs import Run, RunState
from ..ports.runtime import Clock
from ..ports.storage import Store, UnitOfWork
from .lifecycle import Lifecycle
from .reaping import reap
from .submissions import Prepared
from .unit_attempts import undisturbed

log = logging.getLogger(__name__)

Also = Callable[[UnitOfWork], None]
"""What is written together with an outcome."""


@dataclass(frozen=True, slots=True)
class RunRecorder:
    """Leaves no run live that is over.

    An outcome that the store did not take is kept and written when the next run begins.
    """

    store: Store
    clock: Clock
    lifecycle: Lifecycle
    _late: dict[str, tuple[Lease, Run]] = field(default_factory=dict)

    def begin(self, item: Prepared, owner: str, lease: timedelta) -> Run:
        """Record a run that this process executes, and close what vanished processes left.

        Raises a SpineError when the store does not take it; the run is not live then.
        """
        try:
            self._write_late()
            undisturbed(lambda: reap(self.store, self.clock, self.lifecycle, own=owner))
            run = undisturbed(lambda: self._begin(item, owner, lease))
        except Exception as error:
            failed = as_spine_error(error, doing=f"recording the begin of {item.run.pipeline}")
            # What a commit that raised has done is not known.
            ended = replace(item.run, state=RunState.FAILED, error=failed)
            self.end(Lease(item.run.id, owner, 1), ended)
            raise failed from error
        return run

    def _write_late(self) -> None:
        """Each by itself: one that is refused again keeps no other run from beginning."""
        for run_id, (lease, run) in tuple(self._late.items()):
            try:
                undisturbed(partial(self._end, lease, run, None))
            except SpineError as error:
                if error.retryable:
                    raise
                log.error("the outcome of run %s cannot be recorded: %s", run_id, error)  # noqa: TRY400  # typed, and said in full
            self._late.pop(run_id, None)

    def end(self, lease: Lease, run: Run, also: Also | None = None) -> Run:
        """Record the outcome of a claimed run; what run history says of it in the end.

        A failure may become another attempt, and another process may have the run by now.
        """
        try:
            return self.write(lease, run, also)
        except Exception as error:
            failed = as_spine_error(error, doing=f"recording the outcome of run {run.id}")
            log.error("run %s ended %s, not recorded yet: %s", run.id, run.state.value, failed)  # noqa: TRY400  # typed, and said in full
            self._late[run.id] = (lease, run)
        return run

    def write(self, lease: Lease, run: Run, also: Also | None = None) -> Run:
        """As :meth:`end`; raises a SpineError when the store does not take it now."""
        try:
            return undisturbed(lambda: self._end(lease, run, also))
        except LoadError as refused:
            if refused.category is not Category.VALIDATION:
                raise
            # Not the store is at fault, but something that the run has to say.
            plain = _without_what_it_says(run, refused)
            return undisturbed(lambda: self._end(lease, plain, None))

    def unrecorded(self, run_id: str) -> SpineError | None:
        """Why a run has ended whose outcome the store did not take; it is not kept any longer."""
        lease_and_run = self._late.pop(run_id, None)
        return None if lease_and_run is None else lease_and_run[1].error

    def _begin(self, item: Prepared, owner: str, lease: timedelta) -> Run:
        with self.store.write() as unit:
            self.lifecycle.begin(unit, item, owner, lease)
            run = unit.runs.get(item.run.id)
            unit.commit()
        if run is None:
            raise SpineError(f"run {item.run.id} was stored, but is not there")
        return run

    def _end(self, lease: Lease, run: Run, also: Also | None) -> Run:
        with self.store.write() as unit:
            recorded = self._close(unit, lease, run)
            if recorded is None:
                return unit.runs.get(run.id) or run
            if also is not None:
                also(unit)
            unit.commit()
        return recorded

    def _close(self, unit: UnitOfWork, lease: Lease, run: Run) -> Run | None:
        """None when the run is in other hands."""
        try:
            return self.record(unit, lease, run)
        except LeaseLostError:
            return None

    def record(self, unit: UnitOfWork, lease: Lease, run: Run) -> Run:
        """Write the outcome in ``unit``; raises a LeaseLostError when the run is in other hands."""
        if run.state is RunState.FAILED:
            return self.lifecycle.fail(unit, lease, run)
        return self.lifecycle.finish(unit, lease, run)


def _without_what_it_says(run: Run, refused: LoadError) -> Run:
    """The run as failed, with nothing of its own that a store could refuse."""
    return replace(
        run,
        state=RunState.FAILED if run.state is RunState.SUCCEEDED else run.state,
        error=refused,
        metrics={},
        warnings=(),
        output=None,
        partition=None,
    )
