"""Executing runs on a Dask cluster.

Dask is told which run to execute, not how: its workers load it from the store. A run is never
executed a second time by Dask itself; what it has lost is told, and claimed again from the queue.
"""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import uuid4

from ....domain.errors import (
    Category,
    ConfigurationError,
    ErrorContext,
    SpineError,
    as_spine_error,
)
from ....ports.execution import NOT_BEGUN, Answer, Ended, Task
from .dask_connection import PATIENCE, DaskConnection
from .dask_worker import NotRecordedError, Order, execute
from .entries import check_entry
from .messages import read_reply, task_line


@dataclass(frozen=True, slots=True)
class _Sent:
    task: Task
    future: Any
    outcome: Answer = None
    """What its worker has told of it; it counts when the task is over."""


class DaskExecution:
    """Executes at most ``slots`` tasks on the workers of a Dask cluster.

    ``address`` is ``dask://host:port`` of its scheduler; ``dask`` or None is a cluster of its own
    on this machine. ``entry`` and ``settings`` say what workers execute tasks with, see
    :mod:`.entries`. The scheduler is connected to when the first task is started, and again after
    it was lost. Raises a ConfigurationError for an address that is none, and without Dask.
    """

    isolated = True

    def __init__(
        self, address: str | None, entry: str, settings: Mapping[str, Any], *, slots: int
    ) -> None:
        check_entry(entry, settings)
        self._connection = DaskConnection(address, threads=slots)
        self._entry = entry
        self._settings = dict(settings)
        self._slots = slots
        self._sent: dict[str, _Sent] = {}
        self._ended: list[Ended] = []
        # Dask tells from threads of its own what became of which key.
        self._news: queue.SimpleQueue[tuple[str, str | bytes]] = queue.SimpleQueue()
        # The scheduler keeps the last thousand events of a topic for ever, so there is only one.
        self._topic = f"spine-outcomes-{uuid4()}"
        self._closed = False

    def start(self, task: Task) -> None:
        if self._closed or len(self._sent) >= self._slots:
            what = "it is closed" if self._closed else f"all {self._slots} slots are taken"
            raise SpineError(
                f"run {task.run} cannot be executed: {what}",
                hint="start a task only after wait has told the end of another one",
                context=ErrorContext(run=task.run),
            )
        if task.secrets:
            self._ended.append(Ended(task, _secrets_stay_here(task)))
            return
        try:
            self._send(task)
        except Exception as error:  # whatever Dask raises when it cannot be reached
            self._disconnect()
            self._ended.append(Ended(task, _unreachable(task, self._connection.address, error)))

    def begun(self, run: str) -> bool:
        del run
        return True  # a run may wait for a thread of a Dask worker, which Dask does not tell

    def wait(self, seconds: float) -> Sequence[Ended]:
        until = time.monotonic() + seconds
        self._read_news(0.0)
        while not self._ended and (left := until - time.monotonic()) > 0:
            self._read_news(left)
        ended, self._ended = self._ended, []
        return ended

    def end(self, run: str, why: SpineError) -> None:
        for key, sent in tuple(self._sent.items()):
            if sent.task.run == run and sent.future.status == "pending":
                # Nobody wants the key any more: its worker sees that, and kills the process.
                self._forget(key)
                self._ended.append(Ended(sent.task, why))

    def close(self) -> None:
        self._closed = True
        for key in tuple(self._sent):
            self._forget(key)
        self._connection.close()

    def _send(self, task: Task) -> None:
        if self._connection.lost:
            self._disconnect()
        client = self._connection.client()
        # Each time: whoever has reconnected in between is not subscribed any more.
        client.subscribe_topic("all", self._hear)
        client.subscribe_topic(self._topic, self._hear_outcome)
        # Never used before: for a key that it knows, Dask has an answer at hand, or goes on with
        # work that was just ended.
        key = f"run-{task.run}-{uuid4()}"
        order = Order(task_line(task), self._entry, self._settings, self._topic)
        future = client.submit(execute, order, key=key, pure=False, retries=0)
        self._sent[key] = _Sent(task, future)
        future.add_done_callback(partial(_tell, self._news, key))

    def _disconnect(self) -> None:
        """Close what is left of the connection; what was sent over it is lost."""
        self._read_news(0.0)
        for key in tuple(self._sent):
            self._lost(key, "the connection to its scheduler was lost")
        self._connection.disconnect()

    def _hear(self, event: tuple[float, Mapping[str, Any]]) -> None:
        _, told = event
        if told.get("action") == "remove-worker":
            for what in ("processing-tasks", "lost-computed-tasks"):
                for key in told.get(what, ()):
                    self._news.put((str(key), "lost"))

    def _hear_outcome(self, event: tuple[float, Mapping[str, Any]]) -> None:
        _, told = event
        self._news.put((str(told["key"]), told["reply"]))

    def _read_news(self, seconds: float) -> None:
        with suppress(queue.Empty):
            self._read(*self._news.get(block=seconds > 0, timeout=seconds))
            while True:
                self._read(*self._news.get_nowait())

    def _read(self, key: str, status: str | bytes) -> None:
        sent = self._sent.get(key)
        if sent is None:
            return
        if isinstance(status, bytes):
            if (reply := read_reply(status)) is not None:
                self._sent[key] = replace(sent, outcome=reply.answer)
        elif status == "finished":
            # Without an outcome it was recorded. (One that got lost is missed by the store, too.)
            self._ended.append(Ended.of(sent.task, sent.outcome))
            self._forget(key)
        elif status == "error":
            self._ended.append(Ended(sent.task, self._error_of(sent)))
            self._forget(key)
        elif sent.future.status in ("pending", "cancelled", "lost"):
            # With an outcome there is other news behind this.
            why = "the worker" if status == "lost" else "the scheduler"
            self._lost(key, f"{why} that had it is gone")

    def _error_of(self, sent: _Sent) -> SpineError:
        try:
            error = sent.future.exception(timeout=PATIENCE)
        except Exception as unknown:  # what has been raised does not arrive here
            error = unknown
        if isinstance(error, NotRecordedError):
            return SpineError.from_dict(json.loads(error.args[0]))
        if isinstance(error, self._connection.distributed.KilledWorker):
            return _lost_run(sent.task, "the worker that had it is gone")
        if isinstance(error, ImportError):
            return ConfigurationError(
                f"a Dask worker cannot execute run {sent.task.run}: {error}",
                hint="workers need the same packages as the machine that sends them runs",
                cause=error,
            )
        return as_spine_error(error, doing=f"executing run {sent.task.run} on Dask")

    def _lost(self, key: str, why: str) -> None:
        sent = self._sent[key]
        self._forget(key)
        # What was told before its worker was lost has happened.
        self._ended.append(Ended.of(sent.task, sent.outcome or _lost_run(sent.task, why)))

    def _forget(self, key: str) -> None:
        # Told to the scheduler by a message that nobody waits for.
        self._sent.pop(key).future.release()


def _tell(news: queue.SimpleQueue[tuple[str, str | bytes]], key: str, future: Any) -> None:
    news.put((key, str(future.status)))


def _secrets_stay_here(task: Task) -> SpineError:
    return ConfigurationError(
        f"run {task.run} has secrets that must not leave this machine: "
        f"{', '.join(sorted(task.secrets))}",
        hint="give them by reference, as env:NAME or file:PATH, which the Dask worker resolves",
        context=ErrorContext(run=task.run),
    )


def _unreachable(task: Task, address: str | None, error: Exception) -> SpineError:
    return SpineError(
        f"run {task.run} could not be sent to the Dask scheduler {address or 'on this machine'}: "
        f"{type(error).__name__}: {error}",
        category=Category.DEPENDENCY,
        hint="see that the scheduler runs and can be reached from here",
        context=ErrorContext(run=task.run),
        metadata={NOT_BEGUN: True},
        cause=error,
    )


def _lost_run(task: Task, why: str) -> SpineError:
    return SpineError(
        f"Dask has lost run {task.run}: {why}",
        category=Category.DEPENDENCY,
        hint="it is executed again; see the log of Dask's scheduler if that happens often",
        context=ErrorContext(run=task.run),
    )
