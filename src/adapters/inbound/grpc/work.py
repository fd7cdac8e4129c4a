"""Use cases are synchronous: they are done by threads while the event loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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
