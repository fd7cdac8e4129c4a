"""Many watch one run: each hears of everything once, by one reader, and nobody holds others up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from market_spine.adapters.inbound.grpc import run_watching
from market_spine.adapters.inbound.grpc.run_watching import MOST_WAITING, RunWatching
from market_spine.adapters.inbound.grpc.work import Threads
from market_spine.application.read_runs import run_not_found
from market_spine.domain.errors import Category, ConflictError, SpineError
from market_spine.domain.queueing import Progress
from market_spine.domain.runs import EventKind, LogLine, Run, RunEvent, RunState
from market_spine.v1 import run_service_pb2

T0 = datetime(2026, 1, 5, tzinfo=UTC)
Response = run_service_pb2.WatchRunResponse
Scene = Callable[["History", RunWatching], Awaitable[None]]


@dataclass
class History:
    """One run with a step, that a test lets go on; counts how often it is read."""

    run: Run = field(default_factory=lambda: Run("w", "p", {}, RunState.PENDING, T0, plan=_PLAN))
    step: Run = field(
        default_factory=lambda: Run("s", "q", {}, RunState.PENDING, T0, parent="w", step="load")
    )
    told: dict[str, list[RunEvent]] = field(default_factory=lambda: {"w": [], "s": []})
    said: dict[str, list[LogLine]] = field(default_factory=lambda: {"w": [], "s": []})
    looks: int = 0
    failing: int = 0
    guard: threading.Lock = field(default_factory=threading.Lock)

    def get(self, run_id: str) -> Run:
        with self.guard:
            self.looks += 1
            if self.failing:
                self.failing -= 1
                raise ConflictError("away", hint="again")
        if run_id != "w":
            raise run_not_found(run_id)
        return self.run

    def parts(self, run_id: str) -> Iterator[Run]:
        return iter([self.step] if run_id == "w" else [])

    def events(self, run_id: str, *, after: int = 0) -> Sequence[RunEvent]:
        return [item for item in self.told[run_id] if item.key > after][:1000]

    def lines(self, run_id: str, *, after: int = 0) -> Sequence[LogLine]:
        return [item for item in self.said[run_id] if item.number > after][:1000]

    def progress(self, run_ids: Sequence[str]) -> Mapping[str, Progress]:
        return {}

    def happen(self, run_id: str, kind: EventKind = EventKind.CLAIMED) -> None:
        key = sum(map(len, self.told.values())) + 1
        self.told[run_id].append(RunEvent(run_id, kind, T0, key=key))

    def say(self, run_id: str, text: str = "line") -> None:
        number = len(self.said[run_id]) + 1
        self.said[run_id].append(LogLine(run_id, number, T0, "INFO", text))

    def go(self, state: RunState) -> None:
        """The run and its step change, with their events before them."""
        self.happen("s")
        self.say("s")
        self.happen("w")
        self.step = replace(self.step, state=state, attempt=1)
        self.run = replace(self.run, state=state)


_PLAN: Mapping[str, Any] = {"steps": [], "attached_to": None, "priority": 0}


def play(scene: Scene) -> None:
    async def played() -> None:
        history = History()
        with ThreadPoolExecutor(2) as pool:
            watching = RunWatching(cast("Any", history), Threads(pool))
            async with asyncio.timeout(60):
                await scene(history, watching)

    asyncio.run(played())


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_watching, "PAUSE", 0.001)


def request(**fields: Any) -> run_service_pb2.WatchRunRequest:
    return run_service_pb2.WatchRunRequest(name="runs/w", **fields)


async def everything(stream: AsyncGenerator[Response, None]) -> list[Response]:
    async with aclosing(stream) as responses:
        return [item async for item in responses]


def numbers(responses: Sequence[Response], run: str, kind: str) -> list[int]:
    return [
        getattr(item, kind).number
        for item in responses
        if item.WhichOneof("news") == kind and item.source == f"runs/{run}"
    ]


@asynccontextmanager
async def listening(
    watching: RunWatching, count: int, **fields: Any
) -> AsyncGenerator[list[asyncio.Task[list[Response]]], None]:
    """So many watchers, once all of them hear what is new."""
    tasks = [
        asyncio.create_task(everything(watching.watch(request(**fields)))) for _ in range(count)
    ]
    while sum(len(item.watchers) for item in watching._watched.values()) < count:
        await asyncio.sleep(0.001)
    yield tasks


def test_all_that_happens_is_told_once_and_the_final_run_last() -> None:
    async def scene(history: History, watching: RunWatching) -> None:
        history.happen("w", EventKind.SUBMITTED)
        async with listening(watching, 3) as tasks:
            history.go(RunState.RUNNING)
            history.say("s")
            history.go(RunState.SUCCEEDED)
            for told in await asyncio.gather(*tasks):
                assert numbers(told, "w", "event") == [item.key for item in history.told["w"]]
                assert numbers(told, "s", "event") == [item.key for item in history.told["s"]]
                assert numbers(told, "s", "line") == [1, 2, 3]
                assert told[0].run.state == told[0].run.STATE_PENDING
                assert told[-1].run.name == "runs/w"
                assert told[-1].run.state == told[-1].run.STATE_SUCCEEDED
                assert next(item.step for item in told if item.source == "runs/s") == "load"
        assert not watching._watched

    play(scene)


def test_an_ended_run_is_told_without_a_loop() -> None:
    async def scene(history: History, watching: RunWatching) -> None:
        history.go(RunState.FAILED)
        told = await everything(watching.watch(request()))
        assert numbers(told, "w", "event") == [2]
        assert told[-1].run.state == told[-1].run.STATE_FAILED
        assert (
            sum(item.WhichOneof("news") == "run" and item.source == "runs/w" for item in told) == 1
        )
        assert not watching._watched

    play(scene)


@pytest.mark.parametrize("seen", range(7))
def test_going_on_after_any_number_loses_and_doubles_nothing(seen: int) -> None:
    async def scene(history: History, watching: RunWatching) -> None:
        for _ in range(3):
            history.go(RunState.RUNNING)
        history.go(RunState.SUCCEEDED)
        first = [
            item
            for item in await everything(watching.watch(request()))
            if item.WhichOneof("news") in ("event", "line")
        ]
        before, positions = first[:seen], {"w": [0, 0], "s": [0, 0]}
        for item in before:
            kind = item.WhichOneof("news")
            place = positions[item.source.removeprefix("runs/")]
            place[kind == "line"] = getattr(item, kind).number
        again = await everything(
            watching.watch(
                request(
                    after_event=positions["w"][0],
                    after_line=positions["w"][1],
                    after_steps=[
                        run_service_pb2.WatchPosition(
                            run="runs/s",
                            after_event=positions["s"][0],
                            after_line=positions["s"][1],
                        )
                    ],
                )
            )
        )
        rest = [item for item in again if item.WhichOneof("news") in ("event", "line")]
        for run in ("w", "s"):
            for kind in ("event", "line"):
                assert numbers(before + rest, run, kind) == numbers(first, run, kind)

    play(scene)


def test_one_reader_serves_all_who_watch() -> None:
    async def scene(history: History, watching: RunWatching) -> None:
        history.run = replace(history.run, state=RunState.RUNNING)
        async with listening(watching, 50) as tasks:
            before = history.looks
            for _ in range(5):
                history.happen("w")
                await asyncio.sleep(0.02)
            # Fifty readers would have looked fifty times as often.
            assert history.looks - before < 50 * 5
            assert len(watching._watched) == 1
            history.go(RunState.SUCCEEDED)
            for told in await asyncio.gather(*tasks):
                assert len(numbers(told, "w", "event")) == 6

    play(scene)


def test_joining_while_events_come_misses_and_doubles_none() -> None:
    async def scene(history: History, watching: RunWatching) -> None:
        history.run = replace(history.run, state=RunState.RUNNING)
        tasks = []
        for number in range(300):
            history.happen("w")
            if number % 10 == 0:
                tasks.append(asyncio.create_task(everything(watching.watch(request()))))
            await asyncio.sleep(0.0005)
        history.go(RunState.SUCCEEDED)
        expected = [item.key for item in history.told["w"]]
        for told in await asyncio.gather(*tasks):
            assert numbers(told, "w", "event") == expected

    play(scene)


def test_one_who_reads_nothing_is_cut_off_and_the_others_go_on() -> None:
    async def scene(history: History, watching: RunWatching) -> None:
        history.run = replace(history.run, state=RunState.RUNNING)
        slow = watching.watch(request())
        assert (await anext(slow)).WhichOneof("news") == "run"
        waiting = asyncio.create_task(anext(slow))
        async with listening(watching, 2) as tasks:
            history.happen("w")
            assert (await waiting).WhichOneof("news") == "event"
            (watched,) = watching._watched.values()
            for _ in range(MOST_WAITING // 100 + 1):
                for _ in range(100):
                    history.happen("w")
                seen = len(history.told["w"])
                while watched.watch._known["w"].event < seen:
                    await asyncio.sleep(0.001)
            with pytest.raises(SpineError, match="not read") as caught:
                await everything(slow)
            assert caught.value.category is Category.RATE_LIMIT
            assert caught.value.retry_after
            history.go(RunState.SUCCEEDED)
            (told,) = [await task for task in tasks[:1]]
            assert len(numbers(told, "w", "event")) == len(history.told["w"])

    play(scene)


def test_a_store_that_is_away_for_a_while_ends_nothing() -> None:
    async def scene(history: History, watching: RunWatching) -> None:
        history.run = replace(history.run, state=RunState.RUNNING)
        async with listening(watching, 1) as tasks:
            (watched,) = watching._watched.values()
            await watched.ready.wait()
            looks = history.looks
            while history.looks < looks + 2:  # the watcher's own last look is over
                await asyncio.sleep(0.001)
            history.failing = 5
            while history.failing:
                await asyncio.sleep(0.001)
            history.go(RunState.SUCCEEDED)
            assert len(numbers(await tasks[0], "w", "event")) == 1

    play(scene)


def test_a_server_that_stops_says_when_to_come_back() -> None:
    async def scene(history: History, watching: RunWatching) -> None:
        async with listening(watching, 2) as tasks:
            watching.drain()
            for task in tasks:
                with pytest.raises(SpineError, match="stopping") as caught:
                    await task
                assert caught.value.category is Category.DEPENDENCY
                assert caught.value.retry_after
        with pytest.raises(SpineError, match="stopping"):
            await everything(watching.watch(request()))

    play(scene)


def test_the_loop_ends_with_its_last_watcher() -> None:
    async def scene(history: History, watching: RunWatching) -> None:
        async with listening(watching, 2) as tasks:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert not watching._watched
            looks = history.looks
            await asyncio.sleep(0.02)
            assert history.looks <= looks + 1

    play(scene)


def test_without_lines_none_are_told() -> None:
    async def scene(history: History, watching: RunWatching) -> None:
        history.go(RunState.SUCCEEDED)
        told = await everything(watching.watch(request(without_lines=True)))
        assert not numbers(told, "s", "line")
        assert numbers(told, "s", "event")

    play(scene)


@pytest.mark.parametrize(
    ("fields", "field_name"),
    [
        ({"after_event": -1}, "after_event"),
        ({"after_line": -1}, "after_line"),
        ({"after_steps": [{"run": "s"}]}, "after_steps.run"),
        ({"after_steps": [{"run": "runs/s", "after_line": -1}]}, "after_line"),
    ],
)
def test_positions_that_cannot_be_are_refused(fields: dict[str, Any], field_name: str) -> None:
    async def scene(history: History, watching: RunWatching) -> None:
        with pytest.raises(SpineError) as caught:
            await everything(watching.watch(request(**fields)))
        assert caught.value.context.metadata["field"] == field_name

    play(scene)


def test_a_clock_that_steps_back_loses_no_line_and_no_event() -> None:
    async def scene(history: History, watching: RunWatching) -> None:
        for number in range(1, 12):
            at = T0 + timedelta(seconds=-2 if number > 5 else 0)
            history.said["w"].append(LogLine("w", number, at, "INFO", "line"))
            history.told["w"].append(RunEvent("w", EventKind.CLAIMED, at, key=number))
        history.run = replace(history.run, state=RunState.SUCCEEDED)
        told = await everything(watching.watch(request()))
        assert numbers(told, "w", "line") == list(range(1, 12))
        assert numbers(told, "w", "event") == list(range(1, 12))

    play(scene)
