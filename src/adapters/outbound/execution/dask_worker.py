"""The part of executing on Dask that a Dask worker does.

Dask cannot end what a thread of a worker does. So the thread only waits, for a process that
executes the run: it is killed when the run is not wanted any more, and what it dies of leaves the
worker as it was.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from ....domain.errors import Category, SpineError, as_spine_error
from ....ports.execution import Answer, Finished, Task
from .messages import Reply, read_task
from .processes import ProcessExecution

_LOOK_AGAIN = 0.1
"""Seconds that work which is not wanted any more may go on."""
_KEEP_WARM = 60.0
_LEAVING = ("closing", "closed", "failed")


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is asked to execute, and with what. Shows itself without task and settings.

    ``task`` is a line of :mod:`.messages`. Outcomes are told under ``topic``, see :func:`execute`.
    """

    task: bytes = field(repr=False)
    entry: str
    settings: Mapping[str, Any] = field(repr=False)
    topic: str


class NotRecordedError(Exception):
    """The run has no outcome; the only argument is the error, as JSON.

    It is raised because Dask keeps an exception where it keeps track of work. A result stays on
    the worker, and with a worker that is lost the work would be done again for its sake.
    """


def execute(order: Order) -> None:
    """Execute the run, on a worker; returns when its outcome was recorded, or told as an event.

    An event goes the same way as the news of the end of this task, and before it. A result would
    be fetched from this worker, and be done again when that was lost in the meantime.
    """
    task = read_task(order.task)
    answer = _Warm.take(order).execute(task)
    if isinstance(answer, Finished):
        worker = import_module("distributed").get_worker()
        told = {"key": worker.get_current_task(), "reply": Reply(task.run, answer).line()}
        worker.log_event(order.topic, told)
    elif answer is not None:
        raise NotRecordedError(json.dumps(answer.to_dict(), default=str))


class _Warm:
    """A process that executes orders of one entry with the same settings, one at a time."""

    _idle: list[_Warm] = []  # noqa: RUF012  # all of this worker, the longest idle first
    _sweeping = False
    _lock = threading.Lock()  # of both

    def __init__(self, order: Order) -> None:
        self._for = (order.entry, order.settings)
        self._processes = ProcessExecution(order.entry, order.settings, slots=1)
        self._idle_since = 0.0

    @classmethod
    def take(cls, order: Order) -> _Warm:
        """One that is idle, or a new one."""
        with cls._lock:
            for warm in reversed(cls._idle):
                if warm._for == (order.entry, order.settings):
                    cls._idle.remove(warm)
                    return warm
        return cls(order)

    def execute(self, task: Task) -> Answer:
        try:
            self._processes.start(task)
            while not (ended := self._processes.wait(_LOOK_AGAIN)):
                if not _wanted():
                    self._processes.end(task.run, _unwanted(task))
        except BaseException as error:
            self._processes.close()
            return as_spine_error(error, doing=f"executing run {task.run}")
        self._give_back()
        return ended[0].finished or ended[0].error

    def _give_back(self) -> None:
        with self._lock:
            self._idle_since = time.monotonic()
            self._idle.append(self)
            sweeping, _Warm._sweeping = self._sweeping, True
        if not sweeping:
            threading.Thread(target=self._sweep, name="spine-sweeper", daemon=True).start()

    @classmethod
    def _sweep(cls) -> None:
        """Close what has been idle for long, until nothing is idle."""
        while True:
            with cls._lock:
                late = time.monotonic() - _KEEP_WARM
                cold = [warm for warm in cls._idle if warm._idle_since <= late]
                del cls._idle[: len(cold)]
                next_one = cls._idle[0]._idle_since - late if cls._idle else None
                cls._sweeping = next_one is not None
            for warm in cold:
                warm._processes.close()
            if next_one is None:
                return
            time.sleep(next_one)


def _wanted() -> bool:
    """Whether anybody waits for what this thread does, and the worker is there to tell it."""
    worker = import_module("distributed").get_worker()
    state = worker.state.tasks.get(worker.get_current_task())
    return (
        worker.status.name not in _LEAVING
        and state is not None
        and state.state in ("executing", "long-running")
    )


def _unwanted(task: Task) -> SpineError:
    return SpineError(
        f"run {task.run} is not wanted any more by whoever has sent it to this Dask worker",
        category=Category.DEPENDENCY,
    )
