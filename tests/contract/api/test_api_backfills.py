"""Backfills: surveyed, made, paused, resumed, cancelled, and told about."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from api_calls import Api
from api_claims import covers
from api_runs import get, state, unique, wait_for
from api_values import date_of, day, plains, values

from market_spine.v1.backfill_pb2 import Backfill, BackfillPartition, PartitionState
from market_spine.v1.run_pb2 import Run

Needs = Callable[..., None]
CREATE, SURVEY = "BackfillService.CreateBackfill", "BackfillService.SurveyBackfill"
FIRST = date(2001, 1, 1)
_DAYS = itertools.count(step=10)


def plan(days: int = 2, **fields: Any) -> dict[str, Any]:
    """A plan for days that no other test has asked for, each with two desks."""
    first = FIRST + timedelta(days=next(_DAYS))
    return {
        "pipeline": "contract.daily",
        "first_period": day(first),
        "last_period": day(first + timedelta(days=days - 1)),
        **fields,
    }


def standing(backfill: Any) -> str:
    return Backfill.State.Name(backfill.state).removeprefix("STATE_")


def got(api: Api, name: str) -> Any:
    return api.call("BackfillService.GetBackfill", name=name, role="viewer").backfill


def over(api: Api, name: str) -> Any:
    def final() -> Any:
        found = got(api, name)
        return found if standing(found) not in ("RUNNING", "PAUSED") else None

    return wait_for(f"end of {name}", final)


def counts(backfill: Any) -> dict[str, int]:
    return {
        BackfillPartition.State.Name(item.state).removeprefix("STATE_"): item.partitions
        for item in backfill.counts
    }


def parts(api: Api, name: str, **fields: Any) -> list[Any]:
    method = "BackfillService.ListBackfillPartitions"
    return list(api.call(method, parent=name, page_size=1000, **fields).partitions)


@covers(CREATE)
@covers("BackfillService.GetBackfill")
@covers("BackfillService.ListBackfillPartitions")
def test_a_backfill_runs_every_partition(api: Api, needs: Needs) -> None:
    needs("contract.daily")
    asked = plan(3, parameters=values(label="x"), max_active=2)

    answer = api.call(CREATE, plan=asked, role="operator")

    assert (answer.partitions, answer.left_out) == (6, 0)
    made = answer.backfill
    assert made.name.startswith("backfills/")
    assert (made.pipeline, made.max_active, made.force) == ("contract.daily", 2, False)
    assert date_of(made.first_period) == date_of(asked["first_period"])
    assert plains(made.parameters) == {"label": "x"}
    done = over(api, made.name)
    assert (standing(done), counts(done)) == ("SUCCEEDED", {"SUCCEEDED": 6})
    assert done.HasField("end_time")
    items = parts(api, made.name)
    assert [item.number for item in items] == [1, 2, 3, 4, 5, 6]
    first = date_of(asked["first_period"]).isoformat()
    assert [item.partition for item in items[:2]] == [f"{first}/A", f"{first}/B"]
    for item in items:
        assert item.backfill == made.name
        run = get(api, item.run)
        assert (run.backfill, run.trigger) == (made.name, Run.TRIGGER_BACKFILL)
        assert run.partition == item.partition
        assert plains(run.parameters)["label"] == "x"


@covers("BackfillService.GetBackfill")
def test_a_backfill_with_a_failed_partition_has_failed(api: Api, needs: Needs) -> None:
    needs("contract.daily")
    asked = plan(2)
    asked["parameters"] = values(fail_on=date_of(asked["first_period"]).isoformat())

    done = over(api, api.call(CREATE, plan=asked).backfill.name)

    assert (standing(done), counts(done)) == ("FAILED", {"SUCCEEDED": 2, "FAILED": 2})
    failed = parts(api, done.name, states=[BackfillPartition.STATE_FAILED])
    assert [item.number for item in failed] == [1, 2]
    both = parts(api, done.name, states=["STATE_FAILED", "STATE_SUCCEEDED"])
    assert [item.number for item in both] == [1, 2, 3, 4]
    assert parts(api, done.name, states=["STATE_PLANNED"]) == []


@covers(SURVEY)
def test_a_survey_tells_what_would_run_and_why(api: Api, needs: Needs) -> None:
    needs("contract.daily")
    asked = plan(2)
    failing = {**asked, "parameters": values(fail_on=date_of(asked["last_period"]).isoformat())}

    before = api.call(SURVEY, plan=asked, role="operator")

    assert (before.wanted, before.others) == (4, 0)
    assert {item.state for item in before.partitions} == {PartitionState.PARTITION_STATE_MISSING}
    assert all(item.wanted and item.reason for item in before.partitions)
    keys = [[(part.parameter, part.value) for part in item.key] for item in before.partitions]
    assert keys[1] == [("day", date_of(asked["first_period"]).isoformat()), ("desk", "B")]
    over(api, api.call(CREATE, plan=failing).backfill.name)
    after = api.call(SURVEY, plan={**asked, "only": ["PARTITION_STATE_FAILED"]})
    assert (after.wanted, after.others) == (2, 2)
    assert [item.wanted for item in after.partitions] == [True, True, False, False]
    assert {item.state for item in after.partitions[2:]} == {PartitionState.PARTITION_STATE_CURRENT}
    narrowed = api.call(SURVEY, plan={**asked, "parameters": values(desk="B")})
    assert [item.partition[-1] for item in narrowed.partitions] == ["B", "B"]


def test_a_survey_changes_nothing(api: Api, needs: Needs) -> None:
    needs("contract.daily")
    asked = plan(1)

    assert api.call(SURVEY, plan=asked) == api.call(SURVEY, plan=asked)
    method = "BackfillService.ListBackfills"
    newest = api.call(method, page_size=1).backfills
    assert not newest or date_of(newest[0].first_period) != date_of(asked["first_period"])


@covers("BackfillService.UpdateBackfill")
def test_a_limit_that_is_raised_lets_more_begin(api: Api, needs: Needs) -> None:
    needs("contract.daily")
    asked = plan(3, max_active=1, parameters=values(wait=True))
    made = api.call(CREATE, plan=asked).backfill
    assert counts(made)["ACTIVE"] == 1
    changed = {"backfill": {"name": made.name, "max_active": 3}}

    for mask in ({}, {"update_mask": {"paths": ["max_active"]}}):
        updated = api.call("BackfillService.UpdateBackfill", **changed, **mask).backfill
        assert (updated.max_active, counts(updated)["ACTIVE"]) == (3, 3)
    api.call("BackfillService.CancelBackfill", name=made.name)


@covers("BackfillService.UpdateBackfill", "INVALID_ARGUMENT", "NOT_FOUND")
def test_other_changes_of_a_backfill_are_refused(api: Api) -> None:
    known = {"name": "backfills/unknown", "max_active": 3}
    for fields, code in (
        ({"backfill": known}, "NOT_FOUND"),
        ({"backfill": {**known, "name": "runs/1"}}, "INVALID_ARGUMENT"),
        ({"backfill": {"name": "backfills/unknown"}}, "INVALID_ARGUMENT"),
        ({"backfill": {**known, "max_active": 1_001}}, "INVALID_ARGUMENT"),
        ({"backfill": known, "update_mask": {"paths": ["state"]}}, "INVALID_ARGUMENT"),
    ):
        refused = api.refusal("BackfillService.UpdateBackfill", **fields)
        assert refused.code == code, (fields, refused)


@covers("BackfillService.PauseBackfill")
@covers("BackfillService.ResumeBackfill")
def test_what_is_paused_queues_nothing_and_goes_on_when_it_is_resumed(
    api: Api, needs: Needs
) -> None:
    needs("contract.daily")
    # The first day fails at once, the others wait: one run at a time shows that none follows.
    asked = plan(3, max_active=1, parameters=values(wait=True))
    made = api.call(CREATE, plan=asked).backfill
    [active] = wait_for("active partition", lambda: parts(api, made.name, states=["STATE_ACTIVE"]))

    paused = api.call("BackfillService.PauseBackfill", name=made.name, role="operator").backfill

    assert (standing(paused), counts(paused)) == ("PAUSED", {"ACTIVE": 1, "PLANNED": 5})
    assert api.call("BackfillService.PauseBackfill", name=made.name).backfill == paused
    api.call("RunService.CancelRun", name=active.run)
    wait_for(
        "end of the active one",
        lambda: parts(api, made.name, states=["STATE_CANCELLED", "STATE_FAILED"]),
    )
    assert counts(got(api, made.name))["PLANNED"] == 5, "a paused backfill queues nothing"
    resumed = api.call("BackfillService.ResumeBackfill", name=made.name, role="operator").backfill
    assert standing(resumed) == "RUNNING"
    assert counts(resumed)["ACTIVE"] == 1
    assert standing(api.call("BackfillService.ResumeBackfill", name=made.name).backfill) == (
        "RUNNING"
    )
    api.call("BackfillService.CancelBackfill", name=made.name)


@covers("BackfillService.CancelBackfill")
def test_what_is_cancelled_ends_with_all_that_is_active(api: Api, needs: Needs) -> None:
    needs("contract.daily")
    made = api.call(CREATE, plan=plan(5, max_active=1, parameters=values(wait=True))).backfill
    [active] = wait_for("active partition", lambda: parts(api, made.name, states=["STATE_ACTIVE"]))
    wait_for("run of it", lambda: state(get(api, active.run)) == "RUNNING")

    cancelled = api.call("BackfillService.CancelBackfill", name=made.name, role="operator").backfill

    assert standing(cancelled) == "CANCELLED"
    assert wait_for("cancelled run", lambda: state(get(api, active.run)) == "CANCELLED")
    wait_for("end of all", lambda: counts(got(api, made.name)) == {"CANCELLED": 10})


@covers("BackfillService.PauseBackfill", "INVALID_ARGUMENT")
@covers("BackfillService.ResumeBackfill", "INVALID_ARGUMENT")
@covers("BackfillService.CancelBackfill", "INVALID_ARGUMENT")
def test_what_is_over_is_not_controlled_any_more(api: Api, needs: Needs) -> None:
    needs("contract.daily")
    done = over(api, api.call(CREATE, plan=plan(1)).backfill.name)

    for word in ("Pause", "Resume", "Cancel"):
        refused = api.refusal(f"BackfillService.{word}Backfill", name=done.name)
        assert refused.code == "INVALID_ARGUMENT", refused
    assert got(api, done.name) == done


@covers(CREATE, "INVALID_ARGUMENT", "NOT_FOUND")
@covers(SURVEY, "INVALID_ARGUMENT", "NOT_FOUND")
def test_a_plan_that_cannot_be_is_refused(api: Api, needs: Needs) -> None:
    needs("contract.daily", "contract.quick", "contract.nightly")
    good = plan(1)
    later = day(date_of(good["last_period"]) + timedelta(days=5))
    bad = "INVALID_ARGUMENT"
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"pipeline": "pipelines/no.such"}, "NOT_FOUND"),
        ({"pipeline": ""}, bad),
        ({"pipeline": "contract.quick"}, bad),
        ({"pipeline": "workflows/contract.nightly"}, bad),
        ({"first_period": None}, bad),
        ({"last_period": None}, bad),
        ({"first_period": {"year": 2025}}, bad),
        ({"first_period": later}, bad),
        ({"first_period": {"year": 1, "month": 1, "day": 1}}, bad),
        ({"last_period": {"year": 9999, "month": 12, "day": 31}}, bad),
        ({"parameters": values(nothing=1)}, bad),
        ({"parameters": values(desk="C")}, bad),
        ({"parameters": values(day="2025-01-01")}, bad),
        ({"max_active": -1}, bad),
        ({"max_active": 1001}, bad),
        ({"only": [0]}, bad),
        ({"only": [7]}, bad),
        ({"only": [-1]}, bad),
    ]
    for fields, code in wrong:
        for method in (CREATE, SURVEY):
            told = {name: item for name, item in {**good, **fields}.items() if item is not None}
            refused = api.refusal(method, plan=told)
            assert refused.code == code, (method, fields, refused)
            assert refused.details["ErrorInfo"].metadata["hint"], (fields, refused)
    assert api.code(CREATE, request_id="x" * 201, plan=good) == bad
    for method in (CREATE, SURVEY):
        assert api.refusal(method).code == bad, "there is no plan"


def test_the_calendar_has_a_last_day(api: Api, needs: Needs) -> None:
    needs("contract.daily")
    ends = {"first_period": day(date(9999, 12, 30)), "last_period": day(date(9999, 12, 31))}

    answer = api.call(SURVEY, plan={"pipeline": "contract.daily", **ends})

    assert [item.partition for item in answer.partitions][-1] == "9999-12-31/B"


def test_a_backfill_of_nothing_is_refused_but_its_survey_is_not(api: Api, needs: Needs) -> None:
    needs("contract.daily")
    nothing = plan(1, only=["PARTITION_STATE_FAILED"])

    assert api.refusal(CREATE, plan=nothing).code == "INVALID_ARGUMENT"
    answer = api.call(SURVEY, plan=nothing)
    assert (answer.wanted, answer.others) == (0, 2)


@covers(CREATE, "OK", "ALREADY_EXISTS")
def test_a_repeated_request_is_the_same_backfill(api: Api, needs: Needs) -> None:
    needs("contract.daily")
    asked = plan(2, parameters=values(label="x"))
    request = {"request_id": unique("backfill")}
    first = api.call(CREATE, plan=asked, **request)

    again = api.call(CREATE, plan=asked, **request)
    over(api, first.backfill.name)
    later = api.call(CREATE, plan=asked, **request)

    assert first.backfill.name == again.backfill.name == later.backfill.name
    assert standing(later.backfill) == "SUCCEEDED"
    assert first.partitions == again.partitions == later.partitions == 4
    for fields in [
        {"parameters": values(label="y")},
        {"last_period": asked["first_period"]},
        {"force": True},
        {"only": ["PARTITION_STATE_MISSING"]},
    ]:
        refused = api.refusal(CREATE, plan={**asked, **fields}, **request)
        assert refused.code == "ALREADY_EXISTS", (fields, refused)
        assert refused.resource == first.backfill.name


@covers("BackfillService.ListBackfillPartitions", "INVALID_ARGUMENT", "NOT_FOUND")
def test_partitions_of_what_cannot_be_are_refused(api: Api, needs: Needs) -> None:
    needs("contract.daily")
    method = "BackfillService.ListBackfillPartitions"
    made = api.call(CREATE, plan=plan(1)).backfill

    assert api.refusal(method, parent="backfills/nothing").code == "NOT_FOUND"
    for parent in ("", "runs/x", "backfills/", "backfills/a b"):
        refused = api.refusal(method, parent=parent)
        assert (refused.code, refused.field) == ("INVALID_ARGUMENT", "parent")
    for number in (6, -1):
        refused = api.refusal(method, parent=made.name, states=[number])
        assert (refused.code, refused.field) == ("INVALID_ARGUMENT", "states")
    assert len(parts(api, made.name, states=[0])) == 2, "0 means any state"
