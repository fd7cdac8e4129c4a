"""Every call of every port fails once, in every use case: nothing bare, nothing half written."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from dispatching import dispatcher

from market_spine.adapters.inbound.cli.progress import TerminalProgress
from market_spine.adapters.outbound.files.source import FileSource
from market_spine.adapters.outbound.sources.registry import SourceRegistry
from market_spine.adapters.outbound.system.finder import LocalFileFinder
from market_spine.application.context import RunOutcome
from market_spine.application.finra_otc.datasets import finra_otc_datasets
from market_spine.application.finra_otc.pipelines import FinraOtcPipelines
from market_spine.application.finra_otc.services import Services
from market_spine.application.read_datasets import Dataset, ReadDatasets
from market_spine.application.run_pipeline import RunPipeline
from market_spine.domain.captures import CaptureFilter
from market_spine.domain.datasets import DatasetQuery
from market_spine.domain.errors import Category, LoadError, SpineError
from market_spine.domain.finra_otc.datasets import DOMAIN
from market_spine.domain.finra_otc.weeks import Tier
from market_spine.domain.pipelines import Pipeline
from market_spine.domain.registry import Registry
from market_spine.domain.runs import Run, RunFilter, RunState
from market_spine.ports.sources import source_type_of
from market_spine.testing.faults import Faults, Moment, raising
from market_spine.testing.finra_sample import ORIGIN, write_sample
from market_spine.testing.memory_archive import MemoryArchive
from market_spine.testing.memory_calendar import MemoryCalendar
from market_spine.testing.memory_store import MemoryStore
from market_spine.testing.memory_store_state import MemoryState
from market_spine.testing.steady_runtime import CountingIds, KnownProcesses, TickingClock

Failure = Callable[[], BaseException]
Tables = dict[tuple[str, str, int], list[Any]]


def typed() -> BaseException:
    return LoadError("the store is busy", category=Category.TRANSIENT, hint="run it again")


def bare() -> BaseException:
    return OSError(errno.EIO, "the disk failed")


FAILURES: tuple[Failure, ...] = (typed, bare)
"""Used in turn."""


@dataclass(slots=True)
class World:
    """What lasts while dispatchers come and go."""

    store: MemoryStore = field(default_factory=MemoryStore)
    archive: MemoryArchive = field(default_factory=MemoryArchive)
    clock: TickingClock = field(default_factory=TickingClock)
    ids: CountingIds = field(default_factory=CountingIds)
    processes: KnownProcesses = field(default_factory=KnownProcesses)

    def copy(self) -> World:
        """The same content, apart from this one."""
        found = World(clock=self.clock, ids=self.ids, processes=self.processes)
        found.store.publish(self.state.copy())
        found.archive.contents.update(self.archive.contents)
        return found

    @property
    def state(self) -> MemoryState:
        with self.store.write() as unit:
            state: MemoryState = unit.runs._transaction.reading  # type: ignore[attr-defined]
        return state

    def dispatcher(self, faults: Faults) -> RunPipeline:
        """The use cases over this world, every port behind ``faults``."""
        file = source_type_of(FileSource)
        assert file is not None
        clock, ids = faults.on(self.clock, "clock"), faults.on(self.ids, "ids")
        services = Services(
            archive=faults.on(self.archive, "archive"),
            calendar=faults.on(MemoryCalendar(), "calendar"),
            clock=clock,
            ids=ids,
            files=faults.on(LocalFileFinder(), "files"),
        )
        pipelines: Registry[Pipeline] = Registry("pipeline")
        for item in FinraOtcPipelines(services).all():
            pipelines.add(item)
        return dispatcher(
            store=faults.on(self.store, "store"),
            sources=faults.on(SourceRegistry([file]), "sources"),
            datasets=self.reader(faults),
            clock=clock,
            ids=ids,
            processes=faults.on(self.processes, "processes"),
            progress=TerminalProgress(enabled=False),
            pipelines=pipelines,
            workflows=Registry("workflow"),
        )

    def reader(self, faults: Faults) -> ReadDatasets:
        catalog: Registry[Dataset] = Registry("dataset")
        for item in finra_otc_datasets():
            catalog.add(item)
        return ReadDatasets(faults.on(self.store, "store"), catalog)

    def tables(self) -> Tables:
        """The rows of each table, by table, partition and sequence of the capture."""
        state = self.state
        found: Tables = {}
        for (table, key), rows in state.rows.items():
            capture = state.capture_of_key(key)
            found[table, str(capture.partition), capture.sequence] = rows.rows()
        return found

    def runs(self) -> list[Run]:
        with self.store.read() as unit:
            return list(unit.runs.list(RunFilter(limit=1000)))

    def captures(self) -> int:
        with self.store.read() as unit:
            return len(unit.captures.list(CaptureFilter()))


@dataclass(frozen=True, slots=True)
class UseCase:
    """A command, and the commands that have to come before it.

    ``every`` thins out the calls that fail: the parts of a backfill are refreshes, of which each
    call fails on its own account.
    """

    name: str
    before: tuple[tuple[str, dict[str, str]], ...]
    pipeline: str
    parameters: dict[str, str]
    every: int = 1

    def run(self, world: World, faults: Faults) -> RunOutcome:
        return world.dispatcher(faults)(f"{DOMAIN}.{self.pipeline}", self.parameters)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_sample(
        tmp_path_factory.mktemp("weeks"),
        weeks=[ORIGIN, ORIGIN + timedelta(weeks=1)],
        tiers=[Tier.OTC],
        rows={Tier.OTC: 8},
        next_session=_same_day,
    )


def _same_day(day: date) -> date:
    return day


@pytest.fixture(
    params=["refresh_week", "ingest_week", "normalize_week", "measure_week", "backfill"]
)
def use_case(request: pytest.FixtureRequest, files: list[Path]) -> UseCase:
    first, second = ({"file": str(path)} for path in files)
    week = {"week": str(ORIGIN + timedelta(weeks=1)), "tier": "OTC"}
    refreshed = ("refresh_week", first)
    return {
        case.name: case
        for case in (
            UseCase("refresh_week", (refreshed,), "refresh_week", second),
            UseCase("ingest_week", (refreshed,), "ingest_week", second),
            UseCase("normalize_week", (refreshed, ("ingest_week", second)), "normalize_week", week),
            UseCase(
                "measure_week",
                (refreshed, ("ingest_week", second), ("normalize_week", week)),
                "measure_week",
                week,
            ),
            UseCase("backfill", (), "backfill", {"files": str(files[0].parent)}, every=4),
        )
    }[request.param]


@pytest.fixture
def start(use_case: UseCase) -> World:
    world = World()
    for pipeline, parameters in use_case.before:
        outcome = world.dispatcher(Faults())(f"{DOMAIN}.{pipeline}", parameters)
        assert outcome.result.ok, outcome.result.error
    return world


def content(world: World) -> Any:
    """All that a world holds of data: everything but runs, and the archive's orphans."""
    state = world.state
    return (
        dict(state.captures),
        dict(state.manifest),
        dict(state.lineage),
        dict(state.quality),
        {key: frame.rows() for key, frame in state.rejects.items()},
        {key: frame.rows() for key, frame in state.rows.items()},
    )


def points(calls: list[str], *, every: int = 1) -> Iterator[tuple[int, str, Moment]]:
    """Before each call, and after each commit: after any other call is before the next one."""
    for number, call in enumerate(calls, 1):
        commits = call.endswith("commit")
        if commits or number % every == 0:
            yield number, call, Moment.BEFORE
        if commits:
            yield number, call, Moment.AFTER


def test_any_failure_of_any_port_is_typed_and_leaves_all_or_nothing(
    use_case: UseCase, start: World, subtests: pytest.Subtests
) -> None:
    undisturbed, counting = start.copy(), Faults()
    assert use_case.run(undisturbed, counting).result.ok
    expected = undisturbed.tables()
    assert len(counting.calls) > 20

    for number, call, moment in points(counting.calls, every=use_case.every):
        failure = FAILURES[number % 2]
        with subtests.test(f"{failure.__name__} error {moment.lower()} call {number}: {call}"):
            world = start.copy()
            faults = Faults(number, raising(failure()), moment=moment)
            _fails_cleanly(use_case, world, faults, start)
            _works_afterwards(use_case, world, expected, undisturbed.captures())


def _fails_cleanly(use_case: UseCase, world: World, faults: Faults, start: World) -> None:
    known = {run.id for run in world.runs()}
    try:
        outcome = use_case.run(world, faults)
    except SpineError:
        pass
    else:
        recorded = next(run for run in world.runs() if run.id == outcome.run.id)
        assert recorded.state is outcome.run.state
        assert outcome.result.ok == (recorded.state is RunState.SUCCEEDED)
    assert faults.struck, "the call was never made"
    fresh = [run for run in world.runs() if run.id not in known]
    live = [run for run in fresh if not run.state.final]
    assert not live, f"the store works, but {live[0].pipeline} was left {live[0].state.value}"
    if not any(run.state is RunState.SUCCEEDED for run in fresh):
        assert content(world) == content(start), "something is left of a run that failed"
    for capture in world.state.captures.values():
        assert world.archive.contains(capture.digest)
        if capture.id not in start.state.captures:
            assert world.state.runs[capture.run].state is RunState.SUCCEEDED


def _works_afterwards(use_case: UseCase, world: World, expected: Tables, captures: int) -> None:
    outcome = use_case.run(world, Faults())
    assert outcome.result.ok, outcome.result.error
    assert world.captures() == captures
    assert world.tables() == expected, "other data than without the failure"


def test_a_store_that_stays_away_fails_typed_and_the_next_run_puts_it_right(
    use_case: UseCase, start: World, subtests: pytest.Subtests
) -> None:
    undisturbed, counting = start.copy(), Faults(counts=_of_store)
    assert use_case.run(undisturbed, counting).result.ok
    expected = undisturbed.tables()

    for number, call in [*enumerate(counting.calls, 1)][:: use_case.every]:
        with subtests.test(f"store gone from call {number} on: {call}"):
            world = start.copy()
            faults = Faults(number, raising(bare()), lasting=True, counts=_of_store)
            dispatcher = world.dispatcher(faults)
            name = f"{DOMAIN}.{use_case.pipeline}"
            try:
                outcome = dispatcher(name, use_case.parameters)
                assert not outcome.result.ok
            except SpineError:
                pass
            faults.heal()

            assert dispatcher(name, use_case.parameters).result.ok
            live = [run for run in world.runs() if not run.state.final]
            assert not live, f"a run is still {live[0].state.value} after the store came back"
            assert world.tables() == expected, "other data than without the failure"


def _of_store(call: str) -> bool:
    return call.startswith("store")


def test_any_failure_while_a_dataset_is_read_is_typed(
    files: list[Path], subtests: pytest.Subtests
) -> None:
    world = World()
    for path in files:
        world.dispatcher(Faults())(f"{DOMAIN}.refresh_week", {"file": str(path)})

    for spec in world.reader(Faults()).list():
        counting = Faults()
        complete = world.reader(counting).frame(spec.name, DatasetQuery())
        for number, call, moment in points(counting.calls):
            failure = FAILURES[number % 2]
            with subtests.test(
                f"{spec.name}: {failure.__name__} {moment.lower()} {number}: {call}"
            ):
                reader = world.reader(Faults(number, raising(failure()), moment=moment))
                with pytest.raises(SpineError):
                    reader.frame(spec.name, DatasetQuery())
                assert reader.frame(spec.name, DatasetQuery()).equals(complete)


def test_faults_count_what_contexts_and_iterators_do() -> None:
    faults = Faults()
    store = faults.on(MemoryStore(), "store")

    with store.read() as unit:
        assert list(unit.rows.read("finra_otc_venue_volume", 1)) == []

    assert faults.calls == [
        "store.read",
        "store.read.entered",
        "store.read.rows.read",
        "store.read.rows.read.next",
    ]


def test_a_fault_after_a_call_lets_the_call_have_its_effect() -> None:
    world = World()
    faults = Faults(1, raising(bare()), moment=Moment.AFTER, counts=lambda name: "commit" in name)
    run = Run("run-1", "demo.load", {}, RunState.PENDING, created_at=world.clock.now())

    with faults.on(world.store, "store").write() as unit:
        unit.runs.add(run)
        with pytest.raises(OSError, match="disk failed"):
            unit.commit()

    assert faults.struck
    assert [item.id for item in world.runs()] == ["run-1"]
