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
from durable_child import PATIENCE, Answer, Case
from durable_points import Fault, Moment, Point, Trap
from durable_work import DAYS, LEASE, REQUESTS, House
from postgres_server import own_schema
from sqlalchemy import URL, delete

from market_spine.adapters.outbound.sql.dialects import Access
from market_spine.adapters.outbound.sql.metadata import METADATA
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.adapters.outbound.system.runtime import LocalProcesses
from market_spine.domain.captures import CaptureFilter
from market_spine.domain.runs import EventKind, Run, RunFilter, RunState
from market_spine.ports.runtime import Processes
from market_spine.ports.storage import UnitOfWork
from market_spine.testing.run_judge import judge_runs

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

    def death(self) -> str:
        """How it ended, with what it said of it."""
        errors = self._process.communicate()[1]
        code = self._process.returncode
        return signal.Signals(-code).name if code < 0 else f"exit {code}: {errors}"

    def await_stop(self) -> None:
        """Wait until the process has stopped itself."""
        process = psutil.Process(self._process.pid)
        while process.status() != psutil.STATUS_STOPPED:
            assert process.status() != psutil.STATUS_ZOMBIE, self.death()
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


def met(lane: Lane, scene: Scene, trap: Trap) -> None:
    """Let the fault strike, let others go on, and judge what has come of it."""
    lane.empty()
    child = lane.child()
    child.begin(Case(lane.url, scene.gives_back, trap))
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
        return
    work_until(lane, lambda: not _claimed(lane))
    assert not _claimed(lane), "what the process had was never taken over"
    if trap.moment is Moment.AHEAD and trap.point.name.startswith(("finish", "retry")):
        assert len(_lost(lane)) > 1, "nothing was taken from it"
    child.go_on()


def _claimed(lane: Lane) -> bool:
    with lane.store.read() as unit:
        return bool(unit.queue.claimed())


def _lost(lane: Lane) -> list[str]:
    """Runs that a process has lost, one of them before the scene began."""
    with lane.store.read() as unit:
        runs = unit.runs.list(RunFilter(limit=1000))
        return [
            run.id
            for run in runs
            if any(event.kind is EventKind.LEASE_LOST for event in unit.journal.events(run.id))
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
