"""Use cases are synchronous: they are done by threads while the event loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Threads:
    """Where work is done that may wait."""

    executor: Executor

    async def do(self, work: Callable[[], T]) -> T:
        """What ``work`` answers, done by another thread."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, work)


async def to_its_end(work: Awaitable[T]) -> T:
    """What ``work`` answers, also when the call is cancelled meanwhile: nothing stops a thread.

    The cancellation is not forgotten: :func:`heed_cancellation` raises it.
    """
    future = asyncio.ensure_future(work)
    while True:
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if future.done():
                return future.result()


def heed_cancellation() -> None:
    """Raise a CancelledError when the call was cancelled: nothing more may be read of it."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
