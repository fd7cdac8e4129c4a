"""Durable runs met by a fault at one point, gone on with by others, and judged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
from durable_child import LEFT, PATIENCE, Answer, Case
from durable_points import Fault, Moment, Point, Trap
from durable_work import DAYS, LEASE, LOST_BEFORE, POLL, REQUESTS, House
from postgres_server import own_schema
from sqlalchemy import URL, delete

from market_spine.adapters.outbound.execution.inline import InlineExecution
from market_spine.adapters.outbound.sql.dialects import Access
from market_spine.adapters.outbound.sql.metadata import METADATA
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.adapters.outbound.system.runtime import LocalProcesses
from market_spine.domain.captures import CaptureFilter
from market_spine.domain.errors import SpineError
from market_spine.domain.queueing import Job
from market_spine.domain.runs import Run, RunFilter, RunState
from market_spine.ports.execution import Task
from market_spine.ports.runtime import Processes
from market_spine.ports.storage import UnitOfWork
from market_spine.testing.run_judge import judge_runs
from market_spine.testing.run_judge_record import read_record

LONGEST = 60.0
"""Seconds after which a process is taken to hang."""
TAKEOVER = LEASE + timedelta(seconds=5)
"""How soon what a process had goes on in another one, where that has a processor to itself."""
BUSY = timedelta(seconds=10)
"""How much later that may be where all processors are busy with other cases."""


class Child:
    """A process that works on one case after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("durable_child.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._watch = threading.Timer(0, lambda: None)

    @property
    def over(self) -> bool:
        return self._process.poll() is not None

    @property
    def stopped(self) -> bool:
        return psutil.Process(self._process.pid).status() == psutil.STATUS_STOPPED

    def begin(self, case: Case) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(case.to_json() + "\n")
        self._process.stdin.flush()
        self._watch = threading.Timer(LONGEST, self._process.kill)
        self._watch.start()

    def answer(self) -> Answer | None:
        """What came out; None when the process ended instead."""
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        self._watch.cancel()
        if not said:
            self._process.wait()
            return None
        return Answer.from_json(said)

    def await_left(self) -> None:
        """Wait until the transaction is over that it has hung ahead of."""
        assert self._process.stdout is not None
        said = self._process.stdout.readline().strip()
        assert said == LEFT, said or self.death()

    def has(self, job: Job) -> bool:
        """Whether it holds the job."""
        return job.owner is not None and f"/{self._process.pid}/" in job.owner

    def death(self) -> str:
        """How it ended, with what it said of it."""
        errors = self._process.communicate()[1]
        code = self._process.returncode
        return signal.Signals(-code).name if code < 0 else f"exit {code}: {errors}"

    def await_stop(self) -> None:
        """Wait until the process has stopped itself."""
        while not self.stopped:
            assert psutil.Process(self._process.pid).status() != psutil.STATUS_ZOMBIE, self.death()
            time.sleep(0.005)

    def go_on(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def close(self) -> None:
        self._watch.cancel()
        self._process.kill()
        self._process.communicate()


class Elsewhere:
    """Processes as another machine sees them: of none it is known that it is gone."""

    def identity(self) -> str:
        return f"elsewhere/{os.getpid()}//y"

    def alive(self, identity: str) -> bool:
        return True


class Lane:
    """A database of its own, with a process that works on it: for one case at a time."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.store = SqlStore(url)
        self.store.upgrade()
        self._child: Child | None = None

    def child(self) -> Child:
        """A process that is ready for a case."""
        if self._child is None or self._child.over:
            self.drop_child()
            self._child = Child()
        return self._child

    def drop_child(self) -> None:
        if self._child is not None:
            self._child.close()
        self._child = None

    def empty(self) -> None:
        """Delete all that the last case has left."""
        # The store's own connection: what a test deletes is no business of its ports.
        with self.store._database.connect(Access.WRITE) as connection:
            for table in reversed(METADATA.sorted_tables):
                connection.execute(delete(table))
            connection.commit()

    def close(self) -> None:
        self.drop_child()
        self.store.close()


@contextmanager
def lanes(server: URL | None, folder: Path, count: int) -> Iterator[Sequence[Lane]]:
    """Lanes on a PostgreSQL, or on files in a folder where there is no server."""
    with ExitStack() as stack:
        found = []
        for number in range(count):
            if server is None:
                url = f"sqlite:///{folder / f'lane{number}.db'}"
            else:
                url = stack.enter_context(own_schema(server))
            found.append(Lane(url))
            stack.callback(found[-1].close)
        yield found


@dataclass(frozen=True, slots=True)
class Scene:
    """What there is to die at, and what has come of it when nobody dies."""

    gives_back: bool
    points: Sequence[Point]
    outcome: dict[str, Any]

    def point(self, name: str) -> Point:
        return next(point for point in self.points if point.name == name)

    def traps(self, fault: Fault) -> list[Trap]:
        """The fault at all points, at all moments where it makes a difference."""
        return [
            Trap(point, moment, fault)
            for point in self.points
            for moment in Moment
            # Only what goes on afterwards can tell ahead of a transaction from after the last.
            if moment is not Moment.AHEAD or (fault is Fault.HANG and point.opened)
        ]


def undisturbed(lane: Lane, *, gives_back: bool = False) -> Scene:
    """The scene as it goes when nothing strikes."""
    lane.empty()
    child = lane.child()
    child.begin(Case(lane.url, gives_back))
    answer = child.answer()
    assert answer is not None, child.death()
    assert gives_back or not answer.live, f"still live: {answer.live}"
    rescue(lane)
    judge(lane)
    # How often leases are renewed depends on how fast the machine is: once is waited for.
    renewals = 0 if gives_back else 1
    points = [it for it in answer.points if it.name != "renew" or it.number <= renewals]
    return Scene(gives_back, points, outcome(lane))


def begin(lane: Lane, scene: Scene, trap: Trap, lease: timedelta = LEASE) -> Child:
    """Let the lane's process begin, which the fault awaits."""
    child = lane.child()
    child.begin(Case(lane.url, scene.gives_back, trap, lease.total_seconds()))
    return child


def met(lane: Lane, scene: Scene, trap: Trap) -> None:
    """Let the fault strike, let others go on, and judge what has come of it."""
    lane.empty()
    child = begin(lane, scene, trap)
    if trap.fault is Fault.HANG:
        _hang(lane, child, trap)
    answer = child.answer()
    if answer is None:
        how = child.death()
        assert how == {Fault.KILL: "SIGKILL", Fault.TERM: "SIGTERM"}.get(trap.fault), how
    else:
        assert trap.fault is not Fault.KILL, "the process came to its end instead"
        assert answer.struck, f"it never came there: {[str(point) for point in answer.points]}"
        _ended_well(lane, scene, trap, answer)
    rescue(lane)
    judge(lane)
    assert outcome(lane) == scene.outcome


def _ended_well(lane: Lane, scene: Scene, trap: Trap, answer: Answer) -> None:
    with lane.store.read() as unit:
        kept = [job.run for job in unit.queue.claimed() if job.owner == answer.owner]
    assert not kept, f"it ended by itself, and kept {kept}"
    if trap.fault is Fault.ERROR and not scene.gives_back:
        assert not answer.live, f"one error, and these were never ended: {answer.live}"


def _hang(lane: Lane, child: Child, trap: Trap) -> None:
    """Others take over from a process that hangs; then it goes on, as if nothing had been."""
    child.await_stop()
    if trap.moment is Moment.BEFORE:
        # Its transaction is open: others may have to wait for it, however long that takes.
        timer = threading.Timer(1.5 * LEASE.total_seconds(), child.go_on)
        timer.start()
        work_until(lane, lambda: not timer.is_alive())
        timer.join()
    elif trap.moment is Moment.AFTER:
        work_until(lane, lambda: not _claimed(lane))
        assert not _claimed(lane), "what the process had was never taken over"
        child.go_on()
    else:
        _late(lane, child, trap)


def _late(lane: Lane, child: Child, trap: Trap) -> None:
    """It goes on with its transaction while another process has what it had."""
    had = {job.run for job in _claimed(lane) if child.has(job)}
    assert had or not trap.point.name.startswith(("finish", "retry", "release"))
    may_execute = threading.Event()
    house = House.over(lane.store)

    def execute(task: Task) -> SpineError | None:
        assert task.run not in had or may_execute.wait(LONGEST)
        return house.execute(task)

    worker = house.worker(InlineExecution(execute), jobs=10)
    other = threading.Thread(target=worker.run)
    other.start()
    try:
        deadline = time.monotonic() + PATIENCE
        while had - {job.run for job in _claimed(lane) if not child.has(job)}:
            assert time.monotonic() < deadline, f"never taken over: {had}"
            time.sleep(POLL)
        taken = [job for job in _claimed(lane) if job.run in had]
        child.go_on()
        child.await_left()
        left = {job.lease for job in _claimed(lane)}
        lost = [job.run for job in taken if job.lease not in left]
        assert not lost, f"it ended what another process had: {lost}"
    finally:
        may_execute.set()
        worker.stop()
        other.join()


def _claimed(lane: Lane) -> Sequence[Job]:
    with lane.store.read() as unit:
        return unit.queue.claimed()


def lost_after(lane: Lane) -> list[timedelta]:
    """How long the processes of the scene had what they lost, from the claim to its loss."""
    with lane.store.read() as unit:
        record = read_record(unit)
    return [
        claim.end.at - claim.event.at
        for told in record.runs.values()
        for claim in told.claims
        if claim.lost and claim.end is not None and claim.event.owner != LOST_BEFORE
    ]


def work_until(lane: Lane, enough: Any, processes: Processes | None = None) -> None:
    """Work as any other process does, until it is enough, or too long."""
    deadline = time.monotonic() + PATIENCE
    house = House.over(lane.store, processes or LocalProcesses())
    house.worker(jobs=3).run(until=lambda: enough() or time.monotonic() > deadline)


def rescue(lane: Lane, processes: Processes | None = None) -> None:
    """Ask for the same as before, and work until all is done."""
    house = House.over(lane.store, processes or LocalProcesses())
    house.ask()
    work_until(lane, lambda: not house.live(), processes)


def judge(lane: Lane, takeover: timedelta = TAKEOVER + BUSY) -> None:
    """All that must hold of runs, and each has taken effect once if it succeeded, else never."""
    with lane.store.read() as unit:
        traces = Counter(capture.run for capture in unit.captures.list(CaptureFilter()))

    def once(_: UnitOfWork, run: Run) -> Iterable[str]:
        expected = run.state is RunState.SUCCEEDED and run.plan is None
        if traces[run.id] != expected:
            yield f"has taken effect {traces[run.id]} times"

    judge_runs(lane.store, takeover=takeover, keys=_key, also=once)


def _key(run: Run) -> str | None:
    account = run.parameters.get("account")
    return None if account is None else f"account {account}"


def outcome(lane: Lane) -> dict[str, Any]:
    """How everything ended that was asked for, by names that are the same each time."""
    found: dict[str, Any] = {}
    with lane.store.read() as unit:
        requests = [item.request or "" for item in REQUESTS]
        for request in requests:
            (run,) = unit.runs.list(RunFilter(request=request))
            found[request] = run.state, run.output
            for step in unit.runs.list(RunFilter(parent=run.id)):
                found[f"{request}, {step.step} {step.item}"] = step.state, step.output
        (backfill,) = unit.backfills.list()
        found[DAYS.pipeline] = backfill.state
        for part in unit.backfills.parts(backfill.id):
            found[part.partition] = part.state
    return found
