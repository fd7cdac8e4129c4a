"""What is asked for at the same time is read at the same time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

from .work import Threads

_MOST = 200  # of one reading: the last one to be asked for waits for all of it
_LONGEST_WAIT = 0.01  # seconds that a turn waits for more

T = TypeVar("T")


class Gathering(Generic[T]):
    """Reads things by their ids. Whoever asks while others are being read waits for the next turn.

    So an answer is never older than its question, and a hundred questions cost one transaction. An
    id that is asked for by several is read once. While many ask, a turn waits for as long as the
    last one took, so that it has more to read; who asks alone never waits.
    """

    def __init__(
        self, read: Callable[[Collection[str]], Mapping[str, T]], threads: Threads
    ) -> None:
        self._read = read
        self._threads = threads
        # Each has a future of its own: one that is gone does not take the answer from the others.
        self._asked: dict[str, list[asyncio.Future[T | None]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def get(self, item_id: str) -> T | None:
        """The thing of that id, None when there is none; raises what reading raises."""
        mine: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(item_id, []).append(mine)
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        return await mine

    async def _work(self) -> None:
        while self._asked:
            taken = self._asked
            if len(taken) > _MOST:
                taken = dict(list(taken.items())[:_MOST])
            self._asked = {key: own for key, own in self._asked.items() if key not in taken}
            started = time.perf_counter()
            await self._answer(taken)
            if sum(map(len, taken.values())) > 1:
                took = time.perf_counter() - started
                await asyncio.sleep(min(took, _LONGEST_WAIT))
        self._task = None

    async def _answer(self, taken: Mapping[str, list[asyncio.Future[T | None]]]) -> None:
        try:
            found = await self._threads.do(partial(self._read, taken.keys()))
        except Exception as error:  # told to everybody who asked
            for _, mine in _waiting(taken):
                mine.set_exception(error)
        else:
            for item_id, mine in _waiting(taken):
                mine.set_result(found.get(item_id))


def _waiting(
    taken: Mapping[str, list[asyncio.Future[T | None]]],
) -> Iterator[tuple[str, asyncio.Future[T | None]]]:
    """Those who still wait, with what they have asked for."""
    for item_id, futures in taken.items():
        for mine in futures:
            if not mine.done():
                yield item_id, mine


class SameQuestions(Generic[T]):
    """Answers questions that are alike by one reading: many look at the first page of a list.

    Whoever asks while the same question is being answered waits for the next turn, so that an
    answer is never older than its question. Other questions wait for nothing.
    """

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._asked: dict[bytes, list[asyncio.Future[Any]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, question: bytes, answer: Callable[[], T]) -> T:
        """What ``answer`` answers to this question; raises what it raises."""
        mine: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        waiting = self._asked.get(question)
        if waiting is None:
            self._asked[question] = []
            work = asyncio.create_task(self._work(question, answer, [mine]))
            self._tasks.add(work)
            work.add_done_callback(self._tasks.discard)
        else:
            waiting.append(mine)
        answered: T = await mine
        return answered

    async def _work(
        self, question: bytes, answer: Callable[[], T], asking: list[asyncio.Future[Any]]
    ) -> None:
        while asking:
            try:
                found = await self._threads.do(answer)
            except Exception as error:  # told to everybody who asked
                for _, mine in _waiting({"": asking}):
                    mine.set_exception(error)
            else:
                for _, mine in _waiting({"": asking}):
                    mine.set_result(found)
            asking = self._asked[question]
            self._asked[question] = []
        del self._asked[question]
