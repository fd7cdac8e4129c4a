"""Executing runs in processes of this machine, each of which may die without harm to others."""

from __future__ import annotations

import selectors
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ....domain.errors import Category, ErrorContext, SpineError
from ....ports.execution import NOT_BEGUN, Ended, Task
from .deaths import death_of, lost_touch
from .entries import check_entry
from .messages import Reply, task_line
from .process import Process

_GRACE = 2.0
_LOOK_AGAIN = 1.0
_LOOK_SOON = 0.005
_SILENCE = 5.0
"""Seconds that a process has between closing its connection and being dead."""


@dataclass(slots=True, eq=False)
class _Seat:
    """A process, and what it does. ``warm``: it has answered before."""

    process: Process
    task: Task | None = None
    begun: bool = False
    warm: bool = False
    leaving: bool = False
    why: SpineError | None = None
    silent_since: float | None = None

    @property
    def free(self) -> bool:
        return self.task is None and not self.leaving and not self.process.silent


class ProcessExecution:
    """Executes at most ``slots`` tasks side by side, each in a process.

    Processes are started when they are needed, and kept for further tasks. ``entry`` and
    ``settings`` say what they execute tasks with, see :mod:`.entries`; ``memory_limit`` is what
    each may take of address space, in bytes. Raises a ConfigurationError for an entry or settings
    that cannot be handed over.
    """

    isolated = True

    def __init__(
        self,
        entry: str,
        settings: Mapping[str, Any],
        *,
        slots: int,
        memory_limit: int | None = None,
    ) -> None:
        check_entry(entry, settings)
        self._entry = entry
        self._settings = dict(settings)
        self._slots = slots
        self._memory_limit = memory_limit
        self._seats: list[_Seat] = []
        self._ended: list[Ended] = []
        self._closed = False
        # Linux kills a process when the thread that started it ends, not only its process: so
        # all are started by one thread that lasts as long as they do.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="spine-starter")

    def start(self, task: Task) -> None:
        if self._closed or sum(seat.task is not None for seat in self._seats) >= self._slots:
            what = "it is closed" if self._closed else f"all {self._slots} slots are taken"
            raise SpineError(
                f"run {task.run} cannot be executed: {what}",
                hint="start a task only after wait has told the end of another one",
                context=ErrorContext(run=task.run),
            )
        self._begin(task)

    def begun(self, run: str) -> bool:
        return any(
            seat.begun for seat in self._seats if seat.task is not None and seat.task.run == run
        )

    def wait(self, seconds: float) -> Sequence[Ended]:
        until = time.monotonic() + seconds
        while True:
            for seat in tuple(self._seats):
                self._look_at(seat)
            left = until - time.monotonic()
            if self._ended or left <= 0:
                ended, self._ended = self._ended, []
                return ended
            self._sleep(left)

    def end(self, run: str, why: SpineError) -> None:
        for seat in tuple(self._seats):
            self._look_at(seat)
            if seat.task is not None and seat.task.run == run:
                seat.why = why
                seat.leaving = True
                seat.process.kill()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._starter.submit(int).result()  # what it is about to start is there afterwards
        for seat in self._seats:
            if seat.task is None:
                seat.process.ask_to_leave()
            else:
                seat.process.kill()
        until = time.monotonic() + _GRACE
        for seat in self._seats:
            seat.process.close(max(0.0, until - time.monotonic()))
        self._seats.clear()
        self._ended.clear()
        self._starter.shutdown()

    def _begin(self, task: Task) -> None:
        line = task_line(task)
        for seat in tuple(self._seats):
            self._look_at(seat)
            if seat.free:
                seat.task, seat.begun = task, False
                if seat.process.send(line):
                    return
                seat.task = None
        try:
            seat = self._starter.submit(self._open).result()
        except OSError as error:
            self._ended.append(Ended(task, _refused(task, error)))
            return
        seat.task = task
        seat.process.send(line)  # if it does not arrive, the death that is the reason is told

    def _open(self) -> _Seat:
        # Kept here, not where it is waited for: Ctrl-C may come in between.
        seat = _Seat(Process(self._entry, self._settings, self._memory_limit))
        self._seats.append(seat)
        return seat

    def _look_at(self, seat: _Seat) -> None:
        if seat not in self._seats:
            return
        exit_code = seat.process.exit_code()  # first: what it said before it died is read below
        for reply in seat.process.received():
            if reply is None:
                seat.begun = True
            else:
                self._answered(seat, reply)
        if exit_code is not None:
            self._died(seat, exit_code)
        elif seat.process.silent:
            now = time.monotonic()
            seat.silent_since = seat.silent_since or now
            if now - seat.silent_since > _SILENCE:
                self._lost(seat)

    def _answered(self, seat: _Seat, reply: Reply) -> None:
        if seat.task is None or seat.task.run != reply.run:
            return
        # What was recorded before the task could be ended has happened.
        answer = reply.answer if reply.answer is None else seat.why or reply.answer
        self._ended.append(Ended.of(seat.task, answer))
        seat.task, seat.warm = None, True
        seat.leaving = seat.leaving or reply.leaving

    def _died(self, seat: _Seat, exit_code: int) -> None:
        task = self._removed(seat)
        if task is None:
            return
        if seat.warm and not seat.begun and seat.why is None:
            # It died of something else, before it had read the task.
            self._begin(task)
            return
        error = seat.why or death_of(task.run, exit_code, self._memory_limit)
        self._ended.append(Ended(task, error))

    def _lost(self, seat: _Seat) -> None:
        task = self._removed(seat)
        if task is not None:
            self._ended.append(Ended(task, seat.why or lost_touch(task.run)))

    def _removed(self, seat: _Seat) -> Task | None:
        self._seats.remove(seat)
        seat.process.close()
        return seat.task

    def _sleep(self, seconds: float) -> None:
        """Until a process says something or is gone, at most so long."""
        dying = any(seat.process.silent for seat in self._seats)
        with selectors.DefaultSelector() as selector:
            for seat in self._seats:
                if not seat.process.silent:
                    selector.register(seat.process, selectors.EVENT_READ)
            # A process that a grandchild has inherited the connection of dies without a word.
            selector.select(min(seconds, _LOOK_SOON if dying else _LOOK_AGAIN))


def _refused(task: Task, error: OSError) -> SpineError:
    return SpineError(
        f"no process could be started for run {task.run}: {error}",
        category=Category.RESOURCE,
        hint="run fewer tasks at a time, or raise the limits on processes, files and memory",
        retryable=True,
        metadata={NOT_BEGUN: True},
        context=ErrorContext(run=task.run),
        cause=error,
    )
