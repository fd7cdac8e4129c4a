"""Backfills: what would run and why, a few at once, one failure for itself, pause and cancel."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from durable_house import LEASE, DurableHouse

from market_spine import Result, RunContext, Step, days, pipeline, weeks, workflow
from market_spine.application.backfills import BackfillRequest
from market_spine.domain.backfills import BackfillState, PartState
from market_spine.domain.errors import ValidationError
from market_spine.domain.partitions import PartitionState
from market_spine.domain.queueing import Capacity
from market_spine.domain.runs import RunState, Trigger

MONDAY = date(2026, 1, 5)
ran: list[str] = []
bad: set[str] = set()


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()
    bad.clear()


@pipeline(
    "b.prices", partition="{day}/{symbol}", partitions=days("day", symbol=()), key="{day}/{symbol}"
)
def prices(context: RunContext, day: date, symbol: str, factor: int = 1) -> Result[Any]:
    name = f"{day}/{symbol}"
    ran.append(name)
    if name in bad:
        return Result.failure(ValidationError(f"{name} is bad"))
    return Result.success(factor)


@pipeline("b.weekly", partition="{week}/{tier}", partitions=weeks("week", tier=("T1", "T2")))
def weekly(context: RunContext, week: date, tier: str) -> None:
    ran.append(f"{week}/{tier}")


@pipeline("b.plain")
def plain(context: RunContext) -> None: ...


def request(**changes: Any) -> BackfillRequest:
    given: dict[str, Any] = {
        "pipeline": "b.prices",
        "first": MONDAY,
        "last": MONDAY + timedelta(days=2),
        "parameters": {"symbol": "A,B"},
        "max_active": 2,
    }
    return BackfillRequest(**{**given, **changes})


@pytest.fixture
def house() -> DurableHouse:
    return DurableHouse(
        prices, weekly, plain, workflow("b.flow", Step("one", "b.plain"), Step("two", "b.plain"))
    )


def states(house: DurableHouse, backfill_id: str) -> dict[str, str]:
    return {part.partition: part.state.value for part in house.backfills.parts(backfill_id)}


ALL = [f"2026-01-0{day}/{symbol}" for day in (5, 6, 7) for symbol in "AB"]


def test_every_partition_is_run_once_in_order_and_only_a_few_at_once(house: DurableHouse) -> None:
    made, survey = house.create_backfill(request())

    assert [str(item.key) for item in survey.wanted] == ALL
    active = [run for run in house.runs() if not run.state.final]
    assert [run.partition for run in reversed(active)] == ALL[:2]
    assert {run.trigger for run in active} == {Trigger.BACKFILL}
    house.work()

    assert ran == ALL
    assert house.backfills.get(made.id).state is BackfillState.SUCCEEDED
    assert house.backfills.get(made.id).finished_at is not None
    assert house.backfills.counts(made.id) == {PartState.SUCCEEDED: 6}
    assert all(run.backfill == made.id for run in house.runs())


def test_a_partition_that_fails_is_visible_and_holds_up_no_other(house: DurableHouse) -> None:
    bad.add(ALL[1])
    made, _ = house.create_backfill(request())
    house.work()

    assert house.backfills.get(made.id).state is BackfillState.FAILED
    assert states(house, made.id) == {**dict.fromkeys(ALL, "SUCCEEDED"), ALL[1]: "FAILED"}
    [failed] = house.backfills.parts(made.id, states=[PartState.FAILED])
    assert failed.run is not None
    assert f"{ALL[1]} is bad" in str(house.run(failed.run).error)

    bad.clear()
    ran.clear()
    again, survey = house.create_backfill(request(only=(PartitionState.FAILED,)))
    assert [item.reason for item in survey.wanted] == [
        f"run {failed.run} failed: {ALL[1]} is bad",
    ]
    assert len(survey.others) == 5
    house.work()
    assert ran == [ALL[1]]
    assert house.backfills.get(again.id).state is BackfillState.SUCCEEDED


def test_a_survey_tells_of_each_partition_what_is_known_and_runs_nothing(
    house: DurableHouse,
) -> None:
    done = house.submit("b.prices", {"day": "2026-01-05", "symbol": "A"})
    house.work()
    waiting = house.submit("b.prices", {"day": "2026-01-05", "symbol": "B"})
    before = house.runs()

    survey = house.create_backfill.survey(
        request(last=MONDAY, parameters={"symbol": "A,B,C"}, only=(PartitionState.MISSING,))
    )

    assert [(str(item.key), item.state) for item in survey.wanted] == [
        ("2026-01-05/C", PartitionState.MISSING)
    ]
    assert [(item.state, item.reason) for item in survey.others] == [
        (PartitionState.CURRENT, f"done by run {done}"),
        (PartitionState.CURRENT, f"run {waiting} is PENDING"),
    ]
    assert house.runs() == before
    assert house.backfills.list() == []


def test_a_paused_backfill_queues_nothing_and_goes_on_when_it_is_resumed(
    house: DurableHouse,
) -> None:
    made, _ = house.create_backfill(request())

    assert house.control_backfill.pause(made.id).state is BackfillState.PAUSED
    assert house.control_backfill.pause(made.id).state is BackfillState.PAUSED, "again"
    house.work()
    assert ran == ALL[:2]
    assert house.backfills.get(made.id).state is BackfillState.PAUSED

    assert house.control_backfill.resume(made.id).state is BackfillState.RUNNING
    house.work()
    assert ran == ALL
    with pytest.raises(ValidationError, match="is SUCCEEDED"):
        house.control_backfill.pause(made.id)


def test_a_limit_that_is_raised_lets_more_begin_at_once(house: DurableHouse) -> None:
    made, _ = house.create_backfill(request())
    active = [name for name, state in states(house, made.id).items() if state == "ACTIVE"]
    assert active == ALL[:2]

    assert house.control_backfill.limit(made.id, 3).max_active == 3
    active = [name for name, state in states(house, made.id).items() if state == "ACTIVE"]
    assert active == ALL[:3]

    assert house.control_backfill.limit(made.id, 1).max_active == 1
    active = [name for name, state in states(house, made.id).items() if state == "ACTIVE"]
    assert active == ALL[:3], "those that are active go on"
    house.work()
    assert states(house, made.id) == dict.fromkeys(ALL, "SUCCEEDED")
    with pytest.raises(ValidationError, match="is SUCCEEDED"):
        house.control_backfill.limit(made.id, 2)


@pytest.mark.parametrize("first_to_end", [0, 2])
def test_a_limit_below_what_is_active_is_kept_whichever_partition_ends_first(
    house: DurableHouse, first_to_end: int
) -> None:
    made, _ = house.create_backfill(request(max_active=3))
    capacity = Capacity("other#1", 3, LEASE, house.here.catalog.lanes)
    with house.store.write() as unit:
        claims = list(house.here.lifecycle.claim(unit, capacity))
        unit.commit()
    house.control_backfill.limit(made.id, 1)

    for claim in (claims.pop(first_to_end), *claims):
        assert sum(state == "ACTIVE" for state in states(house, made.id).values()) <= 3
        with house.store.write() as unit:
            ended = replace(claim.run, state=RunState.SUCCEEDED)
            house.here.lifecycle.finish(unit, claim.job.lease, ended)
            unit.commit()
        found = list(states(house, made.id).values())
        assert found.count("ACTIVE") == max(1, 3 - found.count("SUCCEEDED"))

    house.work()
    assert states(house, made.id) == dict.fromkeys(ALL, "SUCCEEDED")
    assert house.backfills.get(made.id).state is BackfillState.SUCCEEDED


def test_an_end_that_a_partition_has_not_noted_is_noted_when_the_backfill_is_resumed(
    house: DurableHouse,
) -> None:
    made, _ = house.create_backfill(request())
    house.control_backfill.pause(made.id)
    with house.store.write() as unit:
        stuck = unit.backfills.parts(made.id, states=[PartState.ACTIVE])
        runs = unit.runs.find([part.run for part in stuck if part.run])
        for run in runs:
            unit.queue.cancel(run.id)
        unit.runs.finish(
            *(replace(run, state=RunState.FAILED, finished_at=run.created_at) for run in runs)
        )
        unit.commit()

    house.control_backfill.resume(made.id)
    house.work()

    assert states(house, made.id) == {
        **dict.fromkeys(ALL, "SUCCEEDED"),
        **dict.fromkeys(ALL[:2], "FAILED"),
    }
    assert house.backfills.get(made.id).state is BackfillState.FAILED


@pytest.mark.parametrize("number", [0, -1, 1_001])
def test_a_limit_that_cannot_be_is_refused(house: DurableHouse, number: int) -> None:
    made, _ = house.create_backfill(request())
    with pytest.raises(ValidationError, match="at once"):
        house.control_backfill.limit(made.id, number)
    assert house.backfills.get(made.id).max_active == 2


def test_a_paused_backfill_takes_another_limit_and_queues_nothing(house: DurableHouse) -> None:
    made, _ = house.create_backfill(request())
    house.control_backfill.pause(made.id)
    limited = house.control_backfill.limit(made.id, 3)
    assert (limited.state, limited.max_active) == (BackfillState.PAUSED, 3)
    assert sum(state == "ACTIVE" for state in states(house, made.id).values()) == 2


def test_a_cancelled_backfill_ends_what_waits_and_tells_what_is_executed(
    house: DurableHouse,
) -> None:
    made, _ = house.create_backfill(request())
    capacity = Capacity("other#1", 1, LEASE, house.here.catalog.lanes)
    with house.store.write() as unit:
        job = house.here.lifecycle.claim(unit, capacity)[0].job
        unit.commit()

    assert house.control_backfill.cancel(made.id).state is BackfillState.CANCELLED

    assert states(house, made.id) == {**dict.fromkeys(ALL, "CANCELLED"), ALL[0]: "ACTIVE"}
    told = house.read.job(job.run)
    assert told is not None
    assert told.cancel_requested
    house.clock.pass_by(LEASE.total_seconds() + 1)
    house.work()
    assert ran == []
    assert states(house, made.id) == dict.fromkeys(ALL, "CANCELLED")
    assert house.backfills.get(made.id).state is BackfillState.CANCELLED


def test_weeks_go_from_monday_to_monday(house: DurableHouse) -> None:
    asked = request(
        pipeline="b.weekly", parameters={"tier": ["T2"]}, last=MONDAY + timedelta(days=14)
    )
    house.create_backfill(asked)
    house.work()

    assert ran == ["2026-01-05/T2", "2026-01-12/T2", "2026-01-19/T2"]


def test_a_process_without_the_code_goes_on_with_a_backfill(house: DurableHouse) -> None:
    made, _ = house.create_backfill(request(max_active=1))
    first = house.backfills.parts(made.id)[0].run
    assert first is not None

    DurableHouse(plain, beside=house).cancel(first)

    assert house.backfills.counts(made.id) == {
        PartState.CANCELLED: 1,
        PartState.ACTIVE: 1,
        PartState.PLANNED: 4,
    }
    house.work()
    assert ran == ALL[1:]
    assert house.backfills.get(made.id).state is BackfillState.CANCELLED
    assert house.run(first).state is RunState.CANCELLED


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pipeline": "b.plain"}, "b.plain has no partitions"),
        ({"pipeline": "b.flow"}, "b.flow has no partitions"),
        ({"pipeline": "b.nothing"}, "no pipeline or workflow named"),
        ({"parameters": {}}, "no symbol is given"),
        ({"parameters": {"symbol": "A", "day": "2026-01-05"}}, "give --from and --to"),
        ({"parameters": {"symbol": "A", "factor": "many"}}, "'many' is not a whole number"),
        ({"parameters": {"symbol": "A", "colour": "red"}}, "is no parameter"),
        ({"last": MONDAY - timedelta(days=1)}, "is later than"),
        ({"last": MONDAY + timedelta(days=60_000)}, "more than 100,000"),
        ({"max_active": 0}, "0 partitions at once"),
        ({"only": (PartitionState.STALE,)}, "none of the 6 partitions is wanted: 6 MISSING"),
        ({"pipeline": "b.weekly", "parameters": {"tier": "T9"}}, "T9 is no tier"),
        (
            {"pipeline": "b.weekly", "parameters": {}, "last": MONDAY + timedelta(days=1)},
            "does not begin and end with a Monday",
        ),
    ],
)
def test_what_is_wrong_with_a_request_is_said_and_nothing_is_made(
    house: DurableHouse, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        house.create_backfill(request(**changes))

    assert said in str(caught.value)
    assert house.backfills.list() == []
    assert house.runs() == []


def test_a_backfill_that_does_not_exist_is_named(house: DurableHouse) -> None:
    for ask in (house.control_backfill.pause, house.backfills.get):
        with pytest.raises(ValidationError, match="no backfill nowhere"):
            ask("nowhere")


@pytest.mark.parametrize("value", [{}, {"a": "A"}, [None], ["A", None], [["A"]], [{}]])
def test_what_names_no_partition_is_refused(house: DurableHouse, value: Any) -> None:
    with pytest.raises(ValidationError, match=r"symbol is given as .*, which names no partition"):
        house.create_backfill(request(parameters={"symbol": value}))
    assert house.backfills.list() == []


@pytest.mark.parametrize(
    ("value", "named"), [("A, B", ["A", "B"]), (["A", "B"], ["A", "B"]), (1, ["1"]), ([1], ["1"])]
)
def test_values_that_name_partitions_are_given_in_many_ways(
    house: DurableHouse, value: Any, named: list[str]
) -> None:
    made, _ = house.create_backfill(request(last=MONDAY, parameters={"symbol": value}))
    assert list(states(house, made.id)) == [f"{MONDAY}/{name}" for name in named]


def test_a_value_that_is_null_is_one_that_is_not_given(house: DurableHouse) -> None:
    made, _ = house.create_backfill(
        request(pipeline="b.weekly", last=MONDAY, parameters={"tier": None})
    )
    assert list(states(house, made.id)) == [f"{MONDAY}/T1", f"{MONDAY}/T2"]
    with pytest.raises(ValidationError, match="no symbol is given"):
        house.create_backfill(request(parameters={"symbol": None}))
