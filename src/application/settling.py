"""The end of tasks as a worker records it: many outcomes together, what is left one by one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar

from ..domain.errors import Category, ErrorContext, LeaseLostError, as_spine_error
from ..domain.queueing import Job
from ..domain.runs import LogLine, Run, RunState
from ..ports.execution import NOT_BEGUN, Ended
from ..ports.runtime import Clock
from ..ports.storage import Store
from .lifecycle import Claim, Lifecycle
from .run_recorder import RunRecorder
from .unit_attempts import undisturbed

T = TypeVar("T")

log = logging.getLogger(__name__)

_LONGEST_STORE_PAUSE = 5.0
_TOGETHER = 250
"""So many outcomes are recorded in one transaction at most."""


class Patiently(Protocol):
    """Does something with the store, and answers None when that does not take it now."""

    def __call__(self, doing: str, work: Callable[[], T]) -> T | None: ...


@dataclass(slots=True)
class Flight:
    """A task under way. Times are monotonic."""

    claim: Claim
    since: float
    begun: float | None = None
    cancel_since: float | None = None
    releasing: bool = False
    ended: bool = False

    @property
    def job(self) -> Job:
        return self.claim.job


class Settling:
    """Records how tasks have ended that have not done so themselves.

    ``landed`` is called for each task whose end is recorded, ``hold_off`` where nothing was there
    that could have executed it. ``flights`` are those of the worker, by run.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        lifecycle: Lifecycle,
        flights: Mapping[str, Flight],
        patiently: Patiently,
        landed: Callable[[Ended], None],
        hold_off: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._lifecycle = lifecycle
        self._recorder = RunRecorder(store, clock, lifecycle)
        self._flights = flights
        self._patiently = patiently
        self._landed = landed
        self._hold_off = hold_off
        self._left: list[Ended] = []
        self._next = 0.0
        self._pause = 0.0
        self.lasted = 0.0
        """Seconds that it took to record the outcomes heard of last; 0 where that was one."""

    @property
    def left(self) -> int:
        """How many tasks have ended whose end is not recorded yet."""
        return len(self._left)

    def add(self, item: Ended) -> None:
        """Record it with the next call of :meth:`settle`."""
        self._left.append(item)

    def settle(self, ended: list[Ended]) -> None:
        """Record the ends of tasks: these, and what is left of earlier ones."""
        finished = [item for item in ended if item.finished is not None]
        started = self._clock.monotonic()
        for start in range(0, len(finished), _TOGETHER):
            self._record(finished[start : start + _TOGETHER])
        if finished:
            self.lasted = self._clock.monotonic() - started if len(finished) > 1 else 0.0
        for item in ended:
            if item.error is not None:
                self._left.append(item)
            elif item.finished is None:
                self._landed(item)
        if self._clock.monotonic() >= self._next:
            self._settle_left()

    def _settle_left(self) -> None:
        left, self._left = self._left, []
        for place, item in enumerate(left):
            if not self._patiently(f"ending run {item.task.run}", partial(self._settled, item)):
                # The rest would wait as long. The next time it is first.
                self._left += [*left[place + 1 :], item]
                # The store is away: it is asked less and less often.
                self._pause = min(_LONGEST_STORE_PAUSE, max(0.1, self._pause * 2))
                self._next = self._clock.monotonic() + self._pause
                return
            self._landed(item)
        self._pause = 0.0

    def _record(self, finished: list[Ended]) -> None:
        """Record outcomes together; they are left where they cannot be."""
        ended = [(item, run) for item in finished if (run := self._ended_run(item)) is not None]
        try:
            if ended:
                undisturbed(lambda: self._write(ended))
        except Exception as error:
            log.info("%s outcomes are recorded one by one: %s", len(ended), error)
            self._left += finished
            return
        for item in finished:
            self._landed(item)

    def _ended_run(self, item: Ended) -> Run | None:
        """The run with its outcome; None when it is in other hands by now."""
        flight = self._flights.get(item.task.run)
        found = item.finished
        if flight is None or flight.job.lease != item.task.lease or found is None:
            return None
        return replace(
            flight.claim.run,
            state=RunState.SUCCEEDED,
            metrics=found.metrics,
            warnings=found.warnings,
            output=found.output,
            partition=found.partition,
        )

    def _write(self, ended: list[tuple[Ended, Run]]) -> None:
        with self._store.write() as unit:
            self._lifecycle.finish_all(unit, [(item.task.lease, run) for item, run in ended])
            unit.journal.log(line for item, _ in ended for line in _lines(item))
            unit.commit()

    def _settled(self, item: Ended) -> bool:
        """Record one end; raises a SpineError when the store does not take it now."""
        if item.finished is not None:
            self._record_alone(item)
        flight = self._flights.get(item.task.run)
        error = item.error
        if error is None or flight is None:
            return True
        begun = not error.context.metadata.get(NOT_BEGUN)
        # Nobody else can execute what is attached to this process, and it does not mend itself.
        begun |= flight.job.attached and error.category in (
            Category.CONFIGURATION,
            Category.INTERNAL,
        )
        away = error.category is Category.DEPENDENCY and error.retryable
        if flight.releasing or away or not begun:
            if not begun:
                log.error("nothing could execute run %s, it stays queued: %s", item.task.run, error)
            self._release(item, lost=begun and not flight.releasing)
            if not flight.releasing:
                self._hold_off()
            return True
        with self._store.read() as unit:
            run = unit.runs.get(item.task.run)
        if run is not None and not run.state.final:
            where = ErrorContext(run=run.id, pipeline=run.pipeline, step=run.step)
            self._fail(item, replace(run, state=RunState.FAILED, error=error.within(where)))
        return True

    def _record_alone(self, item: Ended) -> None:
        run = self._ended_run(item)
        if run is None:
            return
        try:
            self._recorder.write(item.task.lease, run, lambda unit: unit.journal.log(_lines(item)))
        except Exception as error:
            # What is no error of the store's is none that passes.
            failed = as_spine_error(error, doing=f"recording the outcome of run {run.id}")
            if failed.retryable:
                raise
            self._fail(item, replace(run, state=RunState.FAILED, output=None, error=failed))

    def _fail(self, item: Ended, run: Run) -> None:
        def write() -> None:
            with self._store.write() as unit:
                self._recorder.record(unit, item.task.lease, run)
                unit.commit()

        self._unless_lost(write)

    def _release(self, item: Ended, *, lost: bool) -> None:
        def write() -> None:
            with self._store.write() as unit:
                if self._lifecycle.release(unit, item.task.lease, lost=lost):
                    unit.commit()

        log.info("run %s is given back: %s", item.task.run, item.error)
        self._unless_lost(write)

    def _unless_lost(self, write: Callable[[], None]) -> None:
        try:
            undisturbed(write)
        except LeaseLostError as error:
            log.info("%s", error)


def _lines(item: Ended) -> tuple[LogLine, ...]:
    return () if item.finished is None else item.finished.lines
