"""Following runs and backfills: all that happens is told, once, and the end is seen."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cli_queue import provide

from market_spine.adapters.inbound.cli.backfill_following import BackfillWatch, until_over
from market_spine.adapters.inbound.cli.backfill_view import throughput
from market_spine.adapters.inbound.cli.follow import StoreWatch, until_final
from market_spine.adapters.inbound.cli.progress import TerminalProgress
from market_spine.application.submissions import Submission
from market_spine.application.watch_run import News, Watch
from market_spine.bootstrap.application import Application, build_application
from market_spine.domain.backfills import Backfill, BackfillPart, BackfillState, PartState
from market_spine.domain.errors import ConflictError, LoadError
from market_spine.domain.queueing import Capacity, Job, Progress
from market_spine.domain.runs import LogLine, Run, RunEvent, RunState

LEASE = timedelta(minutes=5)
T0 = datetime(2026, 1, 5, tzinfo=UTC)


@dataclass(slots=True)
class World:
    """A store, and a worker that does only what a test says."""

    application: Application
    told: list[News] = field(default_factory=list)

    def submit(self, name: str, **parameters: str) -> Run:
        return self.application.submit_run()(Submission(name, parameters))

    def claim(self) -> Job:
        container = self.application.container
        capacity = Capacity("host/1/2/3", 1, LEASE, container.catalog().lanes)
        with container.store().write() as unit:
            job = container.lifecycle().claim(unit, capacity)[0].job
            unit.commit()
        return job

    def finish(self, job: Job, output: object = None) -> None:
        with self.application.container.store().write() as unit:
            run = unit.runs.get(job.run)
            assert run is not None
            done = replace(run, state=RunState.SUCCEEDED, output=output)
            self.application.container.lifecycle().finish(unit, job.lease, done)
            unit.commit()

    def do(self, output: object = None) -> Job:
        job = self.claim()
        self.finish(job, output)
        return job

    def say(self, job: Job, number: int, text: str, done: int) -> None:
        with self.application.container.store().write() as unit:
            at = unit.queue.now()
            unit.journal.log([LogLine(job.run, number, at, "INFO", text)])
            unit.journal.note_progress(job.run, Progress("load", done, 10, "files"))
            unit.commit()

    def follow(self, run: Run, *acts: Callable[[], object]) -> Run:
        """The final run; between two looks one of the ``acts`` is done."""
        left = iter(acts)
        watch = StoreWatch(self.application.read_runs(), run.id)
        return until_final(
            watch, lambda _, news: self.told.extend(news), pause=lambda _: next(left)()
        )

    def events(self, where: str) -> list[str]:
        return [
            news.what.kind.value
            for news in self.told
            if news.where == where and isinstance(news.what, RunEvent)
        ]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.chdir(tmp_path)
    provide(tmp_path, monkeypatch)
    application = build_application(TerminalProgress(enabled=False))
    assert isinstance(application, Application)
    yield World(application)
    application.container.admin().close()


def test_each_thing_is_told_once_and_the_end_is_seen(world: World) -> None:
    run = world.submit("queue.say")
    jobs: list[Job] = []

    final = world.follow(
        run,
        lambda: jobs.append(world.claim()),
        lambda: world.say(jobs[0], 1, "first", 3),
        lambda: None,
        lambda: world.say(jobs[0], 2, "second", 7),
        lambda: world.finish(jobs[0]),
    )

    assert final.state is RunState.SUCCEEDED
    assert world.events("") == ["SUBMITTED", "CLAIMED", "SUCCEEDED"]
    said = [news.what for news in world.told if not isinstance(news.what, RunEvent)]
    assert [item.text for item in said if isinstance(item, LogLine)] == ["first", "second"]
    assert [item.done for item in said if isinstance(item, Progress)] == [3, 7]


def test_what_happens_between_two_looks_is_told_in_its_order(world: World) -> None:
    run = world.submit("queue.say")

    def everything() -> None:
        job = world.claim()
        world.say(job, 1, "first", 3)
        world.finish(job)

    world.follow(run, everything)

    kinds = [
        news.what.kind.value if isinstance(news.what, RunEvent) else type(news.what).__name__
        for news in world.told
    ]
    assert kinds == ["SUBMITTED", "CLAIMED", "LogLine", "SUCCEEDED"]


def test_all_that_is_inside_a_workflow_is_told_by_its_way(world: World) -> None:
    run = world.submit("queue.graph", count="2", bad="-1")

    final = world.follow(
        run,
        lambda: world.do([0, 1]),
        *[world.do] * 4,  # two items, the step of the inner workflow, the last step
    )

    assert final.state is RunState.SUCCEEDED
    done = ["SUBMITTED", "CLAIMED", "SUCCEEDED"]
    ways = {"numbers", "each[0]", "each[1]", "inner/first", "last"}
    assert {way: world.events(way) for way in ways} == dict.fromkeys(ways, done)
    assert world.events("inner") == ["SUBMITTED", "SUCCEEDED"]
    assert {news.where for news in world.told} == {"", "inner", *ways}
    keys = [(news.run.id, news.what.key) for news in world.told if isinstance(news.what, RunEvent)]
    assert len(keys) == len(set(keys))


def test_what_only_waits_costs_no_look_of_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = world.submit("queue.graph", count="50", bad="-1")
    world.do(list(range(50)))
    reader = world.application.read_runs()
    watch = Watch(reader, run.id)
    watch.look()
    asked: list[str] = []
    read = reader.events
    monkeypatch.setattr(
        reader, "events", lambda run_id, after=0: asked.append(run_id) or read(run_id, after=after)
    )

    look = watch.look()

    assert look.news == []
    assert asked in ([], [run.id])
    assert watch.seen > 50


def test_a_store_that_is_away_for_a_moment_is_asked_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = world.submit("queue.say")
    world.do()
    reader = world.application.read_runs()
    get, left = reader.get, [ConflictError("busy"), ConflictError("busy")]

    def failing(run_id: str) -> Run:
        if left:
            raise left.pop()
        return get(run_id)

    monkeypatch.setattr(reader, "get", failing)
    final = world.follow(run, lambda: None, lambda: None)
    left.append(LoadError("the table is gone"))  # type: ignore[arg-type]  # no conflict at all

    assert final.state is RunState.SUCCEEDED
    with pytest.raises(LoadError, match="the table is gone"):
        world.follow(run)
    left.extend([ConflictError("busy")] * 1_000)
    with pytest.raises(ConflictError):
        world.follow(run, *[lambda: None] * 1_000)
    assert left  # it has given up


def test_what_a_look_has_read_before_it_failed_is_told_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = world.submit("queue.say")
    world.say(world.claim(), 1, "first", 3)
    reader = world.application.read_runs()
    watch = Watch(reader, run.id)
    with monkeypatch.context() as patch:

        def busy(*_: object, **__: object) -> None:
            raise ConflictError("busy")

        patch.setattr(reader, "progress", busy)
        with pytest.raises(ConflictError):
            watch.look()

    kinds = [type(news.what) for news in watch.look().news]

    assert [kind for kind in kinds if kind is not Run] == [RunEvent, RunEvent, LogLine, Progress]


# Backfills


@dataclass(slots=True)
class Partitions:
    """A backfill as a reader of the store sees it."""

    states: list[PartState]
    state: BackfillState = BackfillState.RUNNING
    read: int = 0

    def get(self, backfill_id: str) -> Backfill:
        day = date(2026, 1, 5)
        return Backfill(backfill_id, "p", self.state, day, day, (), {}, 1, False, T0)

    def parts(
        self, backfill_id: str, *, states: Collection[PartState] = (), after: int = 0, limit: int
    ) -> Sequence[BackfillPart]:
        page = [
            BackfillPart(backfill_id, number, f"p{number}", {}, "", state)
            for number, state in enumerate(self.states[after : after + limit], after + 1)
        ]
        self.read += len(page)
        return page


@pytest.mark.parametrize("seed", range(20))
def test_each_partition_is_told_once_in_whatever_order_they_end(seed: int) -> None:
    chance = random.Random(seed)
    world = Partitions([PartState.PLANNED] * 40)
    told: list[int] = []

    def go_on(_seconds: float) -> None:
        active = [n for n, state in enumerate(world.states) if state is PartState.ACTIVE]
        for number in chance.sample(active, chance.randint(0, len(active))):
            world.states[number] = chance.choice([PartState.SUCCEEDED, PartState.FAILED])
        room = 5 - sum(state is PartState.ACTIVE for state in world.states)
        planned = [n for n, state in enumerate(world.states) if state is PartState.PLANNED]
        for number in planned[:room]:
            world.states[number] = PartState.ACTIVE
        if all(state not in (PartState.PLANNED, PartState.ACTIVE) for state in world.states):
            world.state = BackfillState.FAILED

    watch = BackfillWatch(world, "b")  # type: ignore[arg-type]  # it asks these two things only
    final = until_over(watch, lambda part: told.append(part.number), pause=go_on)

    assert final.state is BackfillState.FAILED
    assert sorted(told) == list(range(1, 41))


def test_a_long_backfill_is_not_read_from_its_beginning_again() -> None:
    world = Partitions([PartState.SUCCEEDED] * 5_000 + [PartState.ACTIVE] + [PartState.PLANNED] * 9)
    watch = BackfillWatch(world, "b")  # type: ignore[arg-type]  # it asks these two things only
    watch.look()
    before = world.read

    watch.look()

    assert world.read - before <= 10


def test_a_cancelled_backfill_is_over_when_nothing_of_it_is_executed() -> None:
    world = Partitions([PartState.CANCELLED, PartState.ACTIVE], BackfillState.CANCELLED)
    looks: list[float] = []

    def end(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            world.states[1] = PartState.CANCELLED

    watch = BackfillWatch(world, "b")  # type: ignore[arg-type]  # it asks these two things only
    until_over(watch, lambda _: None, pause=end)

    assert len(looks) == 3


def test_what_is_left_follows_from_how_fast_the_last_ones_ended() -> None:
    def ended(second: float) -> Run:
        at = T0 + timedelta(seconds=second)
        return Run(str(second), "p", {}, RunState.SUCCEEDED, T0, T0, at)

    assert throughput([ended(30), ended(10), ended(20)]) == 10
    # A pause long ago does not count: only the last ones do.
    late = [ended(100_000 + 2 * n) for n in range(60)]
    assert throughput([ended(0), *late]) == 2
    assert throughput([ended(1)]) is None
