"""A store whose commits are named by what they do, and at one of which a fault strikes."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from durable_work import RENEWED

from market_spine.domain.queueing import Job
from market_spine.domain.runs import EventKind, Run, RunEvent
from market_spine.ports.storage import Store, UnitOfWork


class Moment(StrEnum):
    """When a fault strikes: ahead of the whole transaction, or right before or after its commit."""

    AHEAD = "AHEAD"
    BEFORE = "BEFORE"
    AFTER = "AFTER"


class Fault(StrEnum):
    """What strikes."""

    KILL = "KILL"
    TERM = "TERM"
    ERROR = "ERROR"
    HANG = "HANG"

    def strike(self) -> None:
        if self is Fault.ERROR:
            raise OSError("the connection is gone")
        number = {"KILL": signal.SIGKILL, "TERM": signal.SIGTERM, "HANG": signal.SIGSTOP}
        os.kill(os.getpid(), number[self.value])


@dataclass(frozen=True, slots=True)
class Point:
    """A commit, by its name and its number among those of the same name; from 1.

    ``opened`` is its number among all transactions that the main thread began for writing, 0 for
    those of other threads.
    """

    name: str
    number: int
    opened: int

    def __str__(self) -> str:
        return self.name if self.number == 1 else f"{self.name} ({self.number})"


@dataclass(frozen=True, slots=True)
class Trap:
    """Where a fault is to strike, and which."""

    point: Point
    moment: Moment
    fault: Fault

    def __str__(self) -> str:
        return f"{self.fault} {self.moment.lower()} {self.point}"


class PointedStore:
    """Implements Store. ``points`` are the commits so far; the fault of ``trap`` strikes once.

    ``left`` is called when the transaction is over that the fault has struck ahead of.
    """

    def __init__(
        self,
        store: Store,
        trap: Trap | None = None,
        left: Callable[[], object] = lambda: None,
    ) -> None:
        self._store = store
        self._trap = trap
        self._left = left
        self._opened = 0
        self._named: Counter[str] = Counter()
        self._beside = threading.RLock()
        self.points: list[Point] = []
        self.struck = False

    def read(self) -> AbstractContextManager[UnitOfWork]:
        return self._store.read()

    @contextmanager
    def write(self) -> Iterator[UnitOfWork]:
        if threading.current_thread() is not threading.main_thread():
            with self._beside, self._writing(0) as unit:
                yield unit
            return
        self._opened += 1
        trap = self._trap
        ahead = trap is not None and trap.moment is Moment.AHEAD
        if trap is None or not ahead or trap.point.opened != self._opened:
            with self._writing(self._opened) as unit:
                yield unit
            return
        self._strike(trap)
        try:
            with self._writing(self._opened) as unit:
                yield unit
        finally:
            self._left()

    @contextmanager
    def _writing(self, opened: int) -> Iterator[UnitOfWork]:
        with self._store.write() as unit:
            yield cast("UnitOfWork", _PointedUnit(unit, opened, self._commit))

    def _commit(self, unit: UnitOfWork, opened: int, name: str | None) -> None:
        if name is None:
            unit.commit()
            return
        self._named[name] += 1
        point = Point(name, self._named[name], opened)
        self.points.append(point)
        try:
            self._meet(point, Moment.BEFORE)
            unit.commit()
            self._meet(point, Moment.AFTER)
        finally:
            if name == "renew":
                RENEWED.set()

    def _meet(self, point: Point, moment: Moment) -> None:
        trap = self._trap
        if (
            trap is not None
            and trap.moment is moment
            and (trap.point.name, trap.point.number) == (point.name, point.number)
        ):
            self._strike(trap)

    def _strike(self, trap: Trap) -> None:
        if self.struck:
            return
        self.struck = True
        # Who stops the process stops its other threads as well: none of them may be caught while
        # it has a database of one writer to itself. Before a commit it is this thread that has.
        with nullcontext() if trap.moment is Moment.BEFORE else self._beside:
            trap.fault.strike()


class _PointedUnit:
    """A unit of work that knows what was done in it."""

    def __init__(
        self,
        unit: UnitOfWork,
        opened: int,
        commit: Callable[[UnitOfWork, int, str | None], None],
    ) -> None:
        self._unit = unit
        self._opened = opened
        self._commit = commit
        self._events: list[RunEvent] = []
        self._verbs: list[str] = []
        self.journal = _Noting(unit.journal, "record", self._note_events)
        self.queue = _Noting(unit.queue, "renew", self._note_renewal)
        self.backfills = _Noting(unit.backfills, "add", self._note_backfill)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unit, name)

    def commit(self) -> None:
        self._commit(self._unit, self._opened, self._name())

    def _note_events(self, _: None, events: Iterable[RunEvent]) -> None:
        self._events += events

    def _note_renewal(self, renewed: Sequence[Job], *_: object) -> None:
        if renewed:
            self._verbs.append("renew")

    def _note_backfill(self, *_: object) -> None:
        self._verbs.append("plan backfill")

    def _name(self) -> str | None:
        """None for what changes no run: what it has logged, how far it is."""
        if self._verbs:
            return self._verbs[0]
        if not self._events:
            return None
        first = self._events[0]
        run = self._unit.runs.get(first.run)
        assert run is not None
        name = f"{_VERBS[first.kind]} {_short(run)}"
        last = self._events[-1]
        ended = None if last.run == first.run else self._unit.runs.get(last.run)
        if ended is not None and ended.id == run.parent and ended.state.final:
            name += f" and end {_short(ended)}"
        return name


_VERBS = {
    EventKind.SUBMITTED: "submit",
    EventKind.CLAIMED: "claim",
    EventKind.RETRY_SCHEDULED: "retry",
    EventKind.LEASE_LOST: "reap",
    EventKind.RELEASED: "release",
    EventKind.CANCEL_REQUESTED: "cancel",
    EventKind.SUCCEEDED: "finish",
    EventKind.FAILED: "fail",
    EventKind.CANCELLED: "end cancelled",
}


def _short(run: Run) -> str:
    """The run as a test calls it, whatever its id."""
    name = run.step or run.pipeline.rpartition(".")[2]
    if run.item is not None:
        return f"{name}[{run.item}]"
    number = run.parameters.get("number")
    extra = run.partition or (None if number is None else str(number))
    return name if extra is None else f"{name} {extra}"


class _Noting:
    """Stands before a store, and tells what one of its methods answered, and was given."""

    def __init__(self, store: Any, method: str, note: Callable[..., object]) -> None:
        self._store = store
        self._method = method
        self._note = note

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name != self._method:
            return found

        def noted(*args: Any, **kwargs: Any) -> Any:
            # What comes as an iterator is read once only.
            args = tuple(tuple(arg) if isinstance(arg, Iterator) else arg for arg in args)
            answer = found(*args, **kwargs)
            self._note(answer, *args)
            return answer

        return noted
