"""Run history as it is written: begin and end of a run, also where the store fails in between."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ..domain.errors import ErrorContext, SpineError, as_spine_error
from ..domain.runs import Run, RunState
from ..ports.runtime import Clock, Processes
from ..ports.storage import RunStore, Store
from .unit_attempts import undisturbed

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunRecorder:
    """Leaves no run live that is over.

    An outcome that the store did not take is kept and written when the next run begins.
    """

    store: Store
    clock: Clock
    processes: Processes
    _late: dict[str, Run] = field(default_factory=dict)

    def begin(self, run: Run) -> None:
        """Record a live run, and close those whose process is gone: every run helps to recover.

        Raises a SpineError when the store does not take it; the run is not live then.
        """
        late = tuple(self._late.values())
        try:
            undisturbed(lambda: self._add(run, late))
        except Exception as error:
            failed = as_spine_error(error, doing=f"recording the begin of {run.pipeline}")
            # What a commit that raised has done is not known.
            self.end(self._failed(run, failed))
            raise failed from error
        for ended in late:
            self._late.pop(ended.id, None)

    def end(self, run: Run) -> Run:
        """Record the outcome of a run; what run history says of it, where that is another one."""
        try:
            return undisturbed(lambda: self._finish(run))
        except Exception as error:
            failed = as_spine_error(error, doing=f"recording the outcome of run {run.id}")
            log.error("run %s ended %s, not recorded yet: %s", run.id, run.state.value, failed)  # noqa: TRY400  # typed, and said in full
            self._late[run.id] = run
        return run

    def _add(self, run: Run, late: Iterable[Run]) -> None:
        with self.store.write() as unit:
            for ended in late:
                unit.runs.finish(ended)
            self._close_interrupted(unit.runs.live(), unit.runs)
            unit.runs.add(run)
            unit.commit()

    def _finish(self, run: Run) -> Run:
        with self.store.write() as unit:
            if not unit.runs.finish(run):
                return unit.runs.get(run.id) or run
            unit.commit()
        return run

    def _close_interrupted(self, live: Iterable[Run], runs: RunStore) -> None:
        for run in live:
            if run.owner is not None and not self.processes.alive(run.owner):
                error = SpineError(
                    "the process that executed the run ended before it was finished",
                    hint="nothing of it was committed; run it again",
                    retryable=True,
                    context=ErrorContext(run=run.id, pipeline=run.pipeline, step=run.step),
                )
                runs.finish(self._failed(run, error))

    def _failed(self, run: Run, error: SpineError) -> Run:
        return replace(
            run, state=RunState.FAILED, finished_at=self.clock.now(), metrics={}, error=error
        )
