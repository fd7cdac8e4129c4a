"""What is asked for at once is read at once, and no answer is older than its question."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from market_spine.adapters.inbound.grpc.gathering import Gathering, SameQuestions
from market_spine.adapters.inbound.grpc.work import Threads

NAMES = ("a", "b", "bad")


class Store:
    """Reads when it is let; remembers what it was asked for at once."""

    def __init__(self) -> None:
        self.value = 0
        self.asked: list[set[str]] = []
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)

    def read(self, ids: Collection[str]) -> Mapping[str, int]:
        self.asked.append(set(ids))
        self.begun.release()
        assert self.go_on.acquire(timeout=30)
        if "bad" in ids:
            raise ValueError("no")
        return {item: self.value for item in ids if item != "absent"}


async def begun(store: Store) -> None:
    assert await asyncio.to_thread(store.begun.acquire, timeout=30)


def test_questions_that_come_while_others_are_read_are_answered_together() -> None:
    async def scene() -> None:
        store = Store()
        with ThreadPoolExecutor(2) as pool:
            gathering = Gathering(store.read, Threads(pool))
            first = asyncio.create_task(gathering.get("a"))
            await begun(store)
            later = [asyncio.create_task(gathering.get(item)) for item in ("a", "b", "b", "absent")]
            await asyncio.sleep(0)
            store.go_on.release()
            assert await first == 0
            await begun(store)
            store.value = 1
            store.go_on.release()
            assert await asyncio.gather(*later) == [1, 1, 1, None]
            assert store.asked == [{"a"}, {"a", "b", "absent"}]

    asyncio.run(scene())


def test_an_error_is_told_to_all_who_asked_and_the_next_ones_are_read() -> None:
    async def scene() -> None:
        store = Store()
        with ThreadPoolExecutor(1) as pool:
            gathering = Gathering(store.read, Threads(pool))
            both = [asyncio.create_task(gathering.get(item)) for item in ("bad", "a")]
            await begun(store)
            store.go_on.release()
            for task in both:
                with pytest.raises(ValueError, match="no"):
                    await task
            again = asyncio.create_task(gathering.get("a"))
            await begun(store)
            store.go_on.release()
            assert await again == 0

    asyncio.run(scene())


def test_one_who_leaves_takes_the_answer_from_nobody() -> None:
    async def scene() -> None:
        store = Store()
        with ThreadPoolExecutor(1) as pool:
            gathering = Gathering(store.read, Threads(pool))
            leaving, staying = (asyncio.create_task(gathering.get("a")) for _ in range(2))
            await begun(store)
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
            store.go_on.release()
            assert await staying == 0

    asyncio.run(scene())


def test_the_same_question_is_answered_once_for_all_and_others_wait_for_nothing() -> None:
    async def scene() -> None:
        a, b, bad = stores = Store(), Store(), Store()
        with ThreadPoolExecutor(4) as pool:
            same: SameQuestions[int] = SameQuestions(Threads(pool))

            def ask(store: Store) -> asyncio.Task[int]:
                name = NAMES[stores.index(store)]
                return asyncio.create_task(
                    same.ask(name.encode(), lambda: store.read([name])[name])
                )

            first = ask(a)
            await begun(a)
            later = [ask(a) for _ in range(5)]
            other = ask(b)
            await begun(b)
            b.go_on.release()
            assert await other == 0
            a.go_on.release()
            assert await first == 0
            await begun(a)
            a.value = 1
            later[0].cancel()
            a.go_on.release()
            assert await asyncio.gather(*later[1:]) == [1] * 4
            assert (len(a.asked), len(b.asked)) == (2, 1)
            failing = [ask(bad) for _ in range(2)]
            for _ in range(2):
                await begun(bad)
                bad.go_on.release()
            for task in failing:
                with pytest.raises(ValueError, match="no"):
                    await task
            assert not same._asked

    asyncio.run(scene())
