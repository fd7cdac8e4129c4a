"""A process that is a worker, until it is told to stop."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ....application.worker import Worker
from ....domain.errors import Category, SpineError
from ....ports.execution import Execution

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def work(
    worker: Worker,
    execution: Execution,
    *,
    until: Callable[[], bool],
    ready: Callable[[], None],
    stopping: Callable[[], None],
) -> None:
    """Work until SIGTERM or SIGINT, or until ``until`` says so while there is nothing to take.

    What is under way at the signal has the grace time to end, then it is given back to the queue.
    A second signal ends it at once: raises a SpineError. Runs in the main thread only, where
    ``ready`` and, at the first signal, ``stopping`` are called.
    """
    with _stopping(worker, stopping) as signals:
        try:
            ready()
            worker.run(until=until)
        finally:
            execution.close()
    if len(signals) > 1:
        raise SpineError(
            "the worker was ended by a second signal",
            category=Category.TRANSIENT,
            hint="other workers take over what it held once its leases have run out",
        )


@contextmanager
def _stopping(worker: Worker, told: Callable[[], None]) -> Iterator[list[int]]:
    """Let signals stop the worker; the signals that came."""
    came: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        if len(came) == 1:
            worker.stop()
            told()
        else:
            worker.abort()

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
