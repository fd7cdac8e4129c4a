"""A worker: takes what is queued, has it executed, and takes back what others have lost.

Whatever goes wrong with the store is waited out: a worker ends when it is told to, never by itself.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from ..domain.errors import (
    Category,
    SpineError,
    as_spine_error,
)
from ..domain.queueing import DEFAULT_POOL, Capacity, Job
from ..domain.runs import Run
from ..ports.execution import NOT_BEGUN, Ended, Execution, Task
from ..ports.queue_bell import QueueBell
from ..ports.runtime import Clock
from ..ports.storage import Store
from .catalog import Catalog
from .heartbeat import Heartbeat, Pulse
from .lifecycle import Claim, Lifecycle
from .reaping import reap
from .run_endings import cancelled, lease_lost
from .settling import Flight, Settling
from .unit_attempts import undisturbed

T = TypeVar("T")

log = logging.getLogger(__name__)

_LONGEST_PAUSE = 30.0
_LONGEST_START = 120.0
_LONGEST_GATHERING = 0.05
# What cannot be recorded so many seconds after the grace time is left to others.
_LONGEST_FAREWELL = 30.0


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How one worker works. ``jobs`` it executes at once; times are in seconds.

    ``grace`` is how long a run that is to end may take to end by itself. ``poll`` is how often the
    queue is looked at while there is nothing to do, ``reap`` how often for lost leases.
    """

    owner: str
    jobs: int
    pools: Mapping[str, int | None] = field(default_factory=lambda: {DEFAULT_POOL: None})
    lease: timedelta = timedelta(seconds=30)
    grace: float = 10.0
    poll: float = 0.5
    reap: float = 2.0


class Worker:
    """Works in the thread that calls :meth:`run`; :meth:`stop` and :meth:`abort` come from others.

    ``secrets`` gives the values that the store does not hold for a job. Without a ``bell`` the
    queue is looked at every ``poll`` only.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        catalog: Catalog,
        lifecycle: Lifecycle,
        execution: Execution,
        options: WorkerOptions,
        secrets: Callable[[Job], Mapping[str, Any]] = lambda _: {},
        bell: QueueBell | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._lanes = catalog.lanes
        self._lifecycle = lifecycle
        self._execution = execution
        self._options = options
        self._secrets = secrets
        self._bell = bell
        self._beat = Heartbeat(store, clock, options.owner, options.lease)
        self._flights: dict[str, Flight] = {}
        self._successors: dict[str, Claim] = {}
        self._over: dict[str, float] = {}
        self._seen: Pulse | None = None
        self._stopping: float | None = None
        self._aborted = False
        self._wake = threading.Event()
        self._next_reap = 0.0
        self._next_claim = 0.0
        self._pause = 0.0
        self.taken = 0
        self._settling = Settling(
            store,
            clock,
            lifecycle,
            self._flights,
            self._patiently,
            self._landed,
            self._hold_off,
        )

    def stop(self) -> None:
        """Take nothing more; what is under way has the grace time, then it is given back."""
        if self._stopping is None:
            self._stopping = self._clock.monotonic()
        self._wake.set()

    def abort(self) -> None:
        """End now. What was under way is taken over by others once its lease has run out."""
        self._aborted = True
        self.stop()

    def wake(self) -> None:
        """Look at the queue now."""
        self._wake.set()

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Work until :meth:`stop`, or until ``until`` says so while there is nothing to do."""
        hearing = nullcontext() if self._bell is None else self._bell.listening(self.wake)
        with self._beat, hearing:
            while not self._aborted:
                claimed = self._take() if self._stopping is None else 0
                ended = self._waited(busy=claimed > 0)
                self._settling.settle(ended)
                self._watch()
                if self._is_too_late():
                    return
                # What has ended may have queued what is to follow.
                idle = not (self._flights or self._settling.left or claimed or ended)
                if idle and (self._stopping is not None or self._patiently("looking", until)):
                    return

    def _is_too_late(self) -> bool:
        """Whether it was told to stop so long ago that the rest is left to others."""
        if self._stopping is None:
            return False
        over = self._clock.monotonic() - self._stopping - self._options.grace
        if over < _LONGEST_FAREWELL or not (self._flights or self._settling.left):
            return False
        log.error(
            "the ends of %s runs could not be recorded: others take them over once their leases "
            "have run out",
            max(len(self._flights), self._settling.left),
        )
        return True

    # Taking

    def _take(self) -> int:
        """Take back what is lost, then what there is room for; how many jobs that were."""
        self._reap()
        return self._claim()

    def _claim(self) -> int:
        """Take as many jobs as there is room for; how many that were."""
        room = self._options.jobs - len(self._flights) - len(self._successors)
        if room < 1 or self._clock.monotonic() < self._next_claim:
            return 0
        capacity = Capacity(
            self._options.owner, room, self._options.lease, self._lanes, self._options.pools
        )
        claims = self._patiently("claiming", lambda: self._claimed(capacity)) or ()
        for claim in claims:
            self._start(claim)
        return len(claims)

    def _claimed(self, capacity: Capacity) -> tuple[Claim, ...]:
        with self._store.write() as unit:
            claims = tuple(self._lifecycle.claim(unit, capacity))
            if claims:
                unit.commit()
        return claims

    def _start(self, claim: Claim) -> None:
        job = claim.job
        earlier = self._flights.get(job.run)
        if earlier is not None:
            # The end of its last attempt was not heard of yet, or that was taken from us.
            self._successors[job.run] = claim
            self._end(earlier, lease_lost(job.run))
            return
        self.taken += 1
        self._flights[job.run] = Flight(claim, self._clock.monotonic())
        task = Task(job.lease, dict(self._secrets(job)), claim.run)
        try:
            self._execution.start(task)
        except Exception as error:
            failed = as_spine_error(error, doing=f"starting run {job.run}")
            self._settling.add(Ended(task, failed))

    def _waited(self, *, busy: bool) -> list[Ended]:
        """What has ended; waits a moment where nothing has."""
        pause = 0.0 if busy and len(self._flights) < self._options.jobs else self._options.poll
        if self._settling.left:
            pause = min(pause, 0.1)
        if self._flights:
            # Short, so that a time-out, a cancellation or a stop is noticed soon.
            return self._gathered(list(self._execution.wait(min(pause, 0.1))))
        if not busy and self._stopping is None:
            self._wake.wait(pause)
            self._wake.clear()
        return []

    def _gathered(self, ended: list[Ended]) -> list[Ended]:
        """With what ends within the time that recording takes: many cost hardly more than one.

        Where the last ones came one by one, nothing is waited for.
        """
        until = self._clock.monotonic() + min(self._settling.lasted, _LONGEST_GATHERING)
        while ended and len(ended) < len(self._flights):
            more = self._execution.wait(max(0.0, until - self._clock.monotonic()))
            if not more:
                break
            ended += more
        return ended

    # Ending

    def _landed(self, item: Ended) -> None:
        if item.error is None:
            self._pause = 0.0
        flight = self._flights.get(item.task.run)
        if flight is not None and flight.job.lease == item.task.lease:
            del self._flights[item.task.run]
            self._over[item.task.run] = self._clock.monotonic()
        successor = self._successors.pop(item.task.run, None)
        if successor is not None:
            self._start(successor)

    def _hold_off(self) -> None:
        """Claim more slowly while there is nothing that could execute it."""
        self._pause = min(_LONGEST_PAUSE, max(1.0, self._pause * 2))
        self._next_claim = self._clock.monotonic() + self._pause

    # Watching

    def _watch(self) -> None:
        """End what has taken too long, was cancelled, or is not ours any more."""
        pulse = self._beat.pulse
        if pulse is not None and pulse is not self._seen:
            self._seen = pulse
            self._adopt(pulse)
        now = self._clock.monotonic()
        for flight in list(self._flights.values()):
            why = self._reason(flight, pulse, now) if self._execution.isolated else None
            if why is not None:
                self._end(flight, why)

    def _end(self, flight: Flight, why: SpineError) -> None:
        if self._execution.isolated and not flight.ended:
            flight.ended = True
            self._execution.end(flight.job.run, why)

    def _adopt(self, pulse: Pulse) -> None:
        """Execute what was claimed by a commit that looked like a failure: it is ours as well."""
        self._over = {run: at for run, at in self._over.items() if at >= pulse.since}
        if self._stopping is not None:
            return
        missed = [job for job in pulse.jobs.values() if self._is_missed(job)]
        # The next pulse tells again of those that there is no room for now.
        room = self._options.jobs - len(self._flights) - len(self._successors)
        if not missed or room < 1:
            return
        runs = self._patiently("reading runs", lambda: self._runs_of(missed[:room])) or {}
        for job in missed[:room]:
            if job.run in runs:
                log.info("run %s is found to be claimed, and executed", job.run)
                self._start(Claim(job, runs[job.run]))

    def _is_missed(self, job: Job) -> bool:
        ours = job.pool in self._options.pools and job.pipeline in self._lanes
        known = job.run in self._flights or job.run in self._successors
        return ours and not known and job.run not in self._over

    def _runs_of(self, jobs: Sequence[Job]) -> dict[str, Run]:
        with self._store.read() as unit:
            return {run.id: run for run in unit.runs.find([job.run for job in jobs])}

    def _reason(self, flight: Flight, pulse: Pulse | None, now: float) -> SpineError | None:
        """Why a task has to be ended now."""
        job = flight.job
        if pulse is not None and pulse.since > flight.since:
            known = pulse.jobs.get(job.run)
            if known is None or known.fence != job.fence:
                return lease_lost(job.run)
            if known.cancel_requested:
                flight.cancel_since = flight.cancel_since or now
                if now >= flight.cancel_since + self._options.grace:
                    return cancelled(job.run, job.pipeline, killed_after=self._options.grace)
        if flight.begun is None and self._execution.begun(job.run):
            flight.begun = now
        if flight.begun is None and now >= flight.since + _LONGEST_START:
            return _not_started()
        began, longest = flight.begun, job.timeout
        if began is not None and longest is not None and now >= began + longest:
            return _timed_out(job)
        if self._stopping is not None and now >= self._stopping + self._options.grace:
            flight.releasing = True
            return SpineError("the worker was stopped", category=Category.DEPENDENCY)
        return None

    def _reap(self) -> None:
        now = self._clock.monotonic()
        if now < self._next_reap or not self._beat.calm:
            return
        self._next_reap = now + self._options.reap
        reaped = self._patiently(
            "looking for lost leases",
            lambda: reap(self._store, self._clock, self._lifecycle, own=self._options.owner),
        )
        if reaped:
            log.warning("%s runs were taken back from processes that vanished", reaped)

    def _patiently(self, doing: str, work: Callable[[], T]) -> T | None:
        """What ``work`` answers; None when the store does not take it now."""
        try:
            return undisturbed(work)
        except Exception as error:
            failed = as_spine_error(error, doing=doing)
            log.warning("%s failed, it is tried again: %s", doing, failed)
            self._beat.note_refusal()
            self._next_claim = self._clock.monotonic() + self._options.poll
            return None


def _not_started() -> SpineError:
    return SpineError(
        f"no process was ready for it within {_LONGEST_START:g} s",
        category=Category.RESOURCE,
        hint="look whether the machine is overloaded, or a module waits while it is imported",
        metadata={NOT_BEGUN: True},
    )


def _timed_out(job: Job) -> SpineError:
    return SpineError(
        f"it took longer than the {job.timeout:g} s that it has, and was ended",
        category=Category.TIMEOUT,
        hint="allow more time, or give it less to do",
        metadata={"timeout": job.timeout},
    )
