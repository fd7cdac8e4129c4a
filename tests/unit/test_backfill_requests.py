"""The same request gives the same backfill, whoever sends it, however often and at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from durable_house import DurableHouse

from market_spine import RunContext, days, pipeline
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.adapters.outbound.system.runtime import UuidIds
from market_spine.application.backfills import BackfillRequest, BackfillSurvey
from market_spine.domain.backfills import Backfill, BackfillState
from market_spine.domain.errors import SpineError, ValidationError
from market_spine.domain.partitions import PartitionState
from market_spine.ports.storage import UnitOfWork

MONDAY = date(2026, 1, 5)


@pipeline("r.prices", partition="{day}", partitions=days("day"), key="{day}")
def prices(context: RunContext, day: date, factor: int = 1) -> None: ...


@pipeline("r.other", partition="{day}", partitions=days("day"))
def other(context: RunContext, day: date) -> None: ...


def request(**changes: Any) -> BackfillRequest:
    given: dict[str, Any] = {
        "pipeline": "r.prices",
        "first": MONDAY,
        "last": MONDAY + timedelta(days=2),
        "only": (PartitionState.MISSING,),
        "request": "monday",
    }
    return BackfillRequest(**{**given, **changes})


@pytest.fixture
def house() -> DurableHouse:
    return DurableHouse(prices, other)


def test_the_same_request_gives_the_backfill_as_it_stands(house: DurableHouse) -> None:
    made, survey = house.create_backfill(request())
    assert len(survey.wanted) == 3

    again, nothing = house.create_backfill(request())
    assert again == made
    assert nothing == BackfillSurvey((), ())
    house.work()
    ended, _ = house.create_backfill(request())

    assert ended == house.backfills.get(made.id)
    assert ended.state is BackfillState.SUCCEEDED
    assert len(house.backfills.list()) == 1
    assert len(house.runs()) == 3


def test_how_many_run_at_once_may_have_been_changed_meanwhile(house: DurableHouse) -> None:
    made, _ = house.create_backfill(request())
    limited = house.control_backfill.limit(made.id, 2)
    assert house.create_backfill(request())[0] == limited
    assert house.create_backfill(request(max_active=9))[0] == limited


def test_requests_of_runs_and_of_backfills_do_not_meet(house: DurableHouse) -> None:
    run = house.submit("r.prices", {"day": "2026-02-02"}, request="monday")
    made, _ = house.create_backfill(request())
    assert house.submit("r.prices", {"day": "2026-02-02"}, request="monday") == run
    assert house.create_backfill(request())[0].id == made.id


def test_without_a_request_each_is_another_one(house: DurableHouse) -> None:
    first, _ = house.create_backfill(request(request=None, only=()))
    second, _ = house.create_backfill(request(request=None, only=()))
    assert first.id != second.id


@pytest.mark.parametrize(
    "changes",
    [
        {"pipeline": "r.other"},
        {"first": MONDAY + timedelta(days=1)},
        {"last": MONDAY + timedelta(days=1)},
        {"parameters": {"factor": "2"}},
        {"only": ()},
        {"force": True},
    ],
    ids=str,
)
def test_a_request_made_for_something_else_is_refused(
    house: DurableHouse, changes: dict[str, Any]
) -> None:
    made, _ = house.create_backfill(request())
    before = house.runs()

    with pytest.raises(ValidationError, match="'monday' was made before") as refused:
        house.create_backfill(request(**changes))

    assert refused.value.context.metadata == {"already_exists": f"backfills/{made.id}"}
    assert house.backfills.list() == [made]
    assert house.runs() == before


def test_a_request_that_failed_is_free(house: DurableHouse) -> None:
    with pytest.raises(ValidationError, match="none of the 3"):
        house.create_backfill(request(only=(PartitionState.STALE,)))
    assert house.create_backfill(request())[0].state is BackfillState.RUNNING


@pytest.mark.parametrize("text", ["", "x" * 201, "é" * 101])
def test_an_id_that_no_store_takes_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="request id"):
        request(request=text)


class Overtaken:
    """A store on which another process makes the same backfill before one look of ours."""

    def __init__(self, house: DurableHouse, before: int) -> None:
        self._house = house
        self._left = before
        self.other: Backfill | None = None

    @contextmanager
    def read(self) -> Iterator[UnitOfWork]:
        self._overtake()
        with self._house.store.read() as unit:
            yield unit

    @contextmanager
    def write(self) -> Iterator[UnitOfWork]:
        self._overtake()
        with self._house.store.write() as unit:
            yield unit

    def _overtake(self) -> None:
        self._left -= 1
        if self._left == 0:
            self.other, _ = self._house.create_backfill(request())


@pytest.mark.parametrize("before", [1, 2, 3])
def test_whoever_is_overtaken_gets_the_backfill_of_the_other(
    house: DurableHouse, before: int
) -> None:
    """Before it looks for the request, before its survey, and before it writes."""
    store = Overtaken(house, before)
    made, _ = replace(house.create_backfill, store=store)(request())

    assert store.other is not None
    assert made.id == store.other.id
    assert len(house.backfills.list()) == 1
    assert len(house.runs()) == 3


def test_whoever_is_overtaken_by_something_else_is_told(house: DurableHouse) -> None:
    store = Overtaken(house, 3)
    with pytest.raises(ValidationError, match="for something else"):
        replace(house.create_backfill, store=store)(request(force=True))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'spine.db'}"
    found: str = request.getfixturevalue("postgres_url")
    return found


def test_of_many_at_once_one_is_made(url: str) -> None:
    """Each has a store of its own, as processes have."""
    stores = [SqlStore(url) for _ in range(6)]
    stores[0].ensure_ready()
    barrier = Barrier(len(stores))

    def create(store: SqlStore) -> str:
        house = DurableHouse(prices, other, store=store)
        use = replace(house.create_backfill, ids=UuidIds())
        barrier.wait()
        return use(request())[0].id

    try:
        with ThreadPoolExecutor(len(stores)) as threads:
            made = set(threads.map(create, stores))
        with stores[0].read() as unit:
            assert [item.id for item in unit.backfills.list()] == list(made)
            counts = unit.backfills.counts(made.pop())
        assert sum(counts.values()) == 3
    finally:
        for store in stores:
            store.close()


def test_a_store_that_is_away_is_told_as_such(house: DurableHouse) -> None:
    class Away:
        @contextmanager
        def read(self) -> Iterator[UnitOfWork]:
            raise SpineError("the store is away")
            yield

        write = read

    with pytest.raises(SpineError, match="away"):
        replace(house.create_backfill, store=Away())(request())
