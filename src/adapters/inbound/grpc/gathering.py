"""What is asked for at the same time is read at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Generic, TypeVar

from .work import Threads

_MOST = 200  # of one reading: the last one to be asked for waits for all of it

T = TypeVar("T")


class Gathering(Generic[T]):
    """Reads things by their ids. Whoever asks while others are being read waits for the next turn.

    So an answer is never older than its question, and a hundred questions cost one transaction. An
    id that is asked for by several is read once.
    """

    def __init__(
        self, read: Callable[[Collection[str]], Mapping[str, T]], threads: Threads
    ) -> None:
        self._read = read
        self._threads = threads
        self._asked: dict[str, asyncio.Future[T | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def get(self, item_id: str) -> T | None:
        """The thing of that id, None when there is none; raises what reading raises."""
        asked = self._asked.get(item_id)
        if asked is None:
            asked = self._asked[item_id] = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        # One caller that is gone does not take the answer from the others.
        return await asyncio.shield(asked)

    async def _work(self) -> None:
        while self._asked:
            taken = dict(list(self._asked.items())[:_MOST])
            for item_id in taken:
                del self._asked[item_id]
            try:
                found = await self._threads.do(partial(self._read, taken.keys()))
            except Exception as error:  # told to everybody who asked
                for asked in taken.values():
                    asked.set_exception(error)
                    asked.exception()  # it is known, even if nobody waits any more
            else:
                for item_id, asked in taken.items():
                    asked.set_result(found.get(item_id))
        self._task = None
