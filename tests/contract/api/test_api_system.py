"""The server's word on itself, on what was done through it, and on how runs went."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from api_calls import METHODS, Api
from api_claims import covers
from api_data import bring, new_week, weekly_file
from api_place import Home, Server
from api_runs import done, ended, get, submit, unique, wait_for
from api_values import date_of, stamp, values

from market_spine.v1 import access_pb2
from market_spine.v1.run_pb2 import Run

Needs = Callable[..., None]
AUDIT = "SystemService.ListAuditEntries"


@covers("SystemService.GetVersion")
def test_the_version_comes_with_who_the_caller_is(api: Api) -> None:
    answer = api.call("SystemService.GetVersion")

    assert answer.version
    assert answer.api == "v1"
    if api.tokens:
        assert answer.caller
    else:
        assert (answer.caller, answer.role) == ("local", access_pb2.ROLE_ADMIN)


@covers("SystemService.Diagnose")
def test_the_diagnosis_says_what_was_looked_at(api: Api) -> None:
    findings = {
        item.name: item for item in api.call("SystemService.Diagnose", role="operator").findings
    }

    assert findings["database"].ok, findings["database"]
    assert findings["archive"].ok, findings["archive"]
    for item in findings.values():
        assert item.detail
        assert item.ok or item.HasField("hint")


def entries(api: Api, method: str, most: int = 50) -> list[Any]:
    asked = f"method = market_spine.v1.{method.replace('.', '/')}"
    return list(api.call(AUDIT, filter=asked, page_size=most).entries)


WRITES = [
    name
    for name, method in METHODS.items()
    if method.GetOptions().Extensions[access_pb2.access].writes
]


@pytest.mark.parametrize("method", WRITES)
@covers(AUDIT)
def test_a_call_that_may_change_something_is_recorded_with_its_outcome(
    api: Api, method: str
) -> None:
    """Refused ones as well. The newest entry of the method is ours: nobody else calls."""
    name = unique("audited")
    subject: str | None = ""
    request = None
    match method:
        case "RunService.SubmitRun":
            subject, fields = name, {"pipeline": name}
        case "BackfillService.CreateBackfill":
            subject, fields = name, {"plan": {"pipeline": name}}
        case "DatasetService.UploadFile":
            subject, fields = "", {}
            request = list[Any]()
        case "RunService.PurgeRuns":
            subject, fields = None, {}  # it is about no resource
        case "BackfillService.UpdateBackfill":
            subject = f"backfills/{name}"
            fields = {"backfill": {"name": subject, "max_active": 1}}
        case _:
            kind = "runs" if "Run" in method.partition(".")[2] else "backfills"
            subject, fields = f"{kind}/{name}", {"name": f"{kind}/{name}"}

    refused = api.refusal(method, request, **fields)

    entry = entries(api, method, 1)[0]
    assert entry.method == f"market_spine.v1.{method.replace('.', '/')}"
    assert (entry.outcome, entry.result) == (refused.code, "")
    assert subject is None or entry.resource == subject
    assert entry.caller == api.call("SystemService.GetVersion").caller
    assert entry.role == access_pb2.ROLE_ADMIN
    assert "127.0.0.1" in entry.peer or api.tokens
    age = datetime.now(UTC) - entry.time.ToDatetime(tzinfo=UTC)
    assert abs(age) < timedelta(days=1)


def test_what_came_of_a_call_is_recorded(api: Api, needs: Needs) -> None:
    needs("contract.quick")
    run = submit(api, "pipelines/contract.quick")

    entry = entries(api, "RunService.SubmitRun", 1)[0]

    assert (entry.resource, entry.outcome) == ("pipelines/contract.quick", "OK")
    assert entry.result == run.name


def test_a_call_that_changes_nothing_leaves_no_entry(api: Api) -> None:
    newest = api.call(AUDIT, page_size=1).entries

    for method in METHODS:
        if method not in WRITES:
            api.code(method)

    assert api.call(AUDIT, page_size=1).entries == newest


@covers(AUDIT, "OK", "INVALID_ARGUMENT")
def test_entries_are_kept_by_caller_and_method(api: Api) -> None:
    api.code("RunService.CancelRun", name="runs/nothing")
    caller = api.call("SystemService.GetVersion").caller
    kept = api.call(AUDIT, filter=f'caller = "{caller}"').entries

    assert kept
    assert {entry.caller for entry in kept} == {caller}
    assert list(api.call(AUDIT, filter='caller = "somebody else"').entries) == []
    ids = [entry.id for entry in kept]
    assert ids == sorted(ids, reverse=True)
    assert api.refusal(AUDIT, filter="outcome = OK").field == "filter"


def test_no_secret_of_a_request_is_recorded(api: Api) -> None:
    api.code("RunService.SubmitRun", pipeline="password=hunter2-of-tests")
    api.code(
        "RunService.SubmitRun", pipeline="no.such", parameters=values(password="hunter2-of-tests")
    )

    assert "hunter2" not in str(entries(api, "RunService.SubmitRun", 5))


STATISTICS = "RunService.GetRunStatistics"


@covers(STATISTICS)
def test_statistics_count_runs_by_pipeline_and_day(api: Api, needs: Needs) -> None:
    needs("contract.quick", "contract.fail", "contract.nightly")
    first = done(api, "contract.quick")
    ended(api, submit(api, "contract.fail").name)
    last = done(api, "contract.nightly", number=1, items=[1])
    moment = last.create_time.ToDatetime(tzinfo=UTC) + timedelta(microseconds=1)
    span = {"start_time": first.create_time, "end_time": stamp(moment)}

    answer = api.call(STATISTICS, **span, role="viewer")

    by_name = {
        item.pipeline: {count.state: count.runs for count in item.counts}
        for item in answer.by_pipeline
    }
    assert by_name == {
        "contract.quick": {Run.STATE_SUCCEEDED: 1},
        "contract.fail": {Run.STATE_FAILED: 1},
        "contract.nightly": {Run.STATE_SUCCEEDED: 1},
    }
    assert {count.state: count.runs for count in answer.total.counts} == {
        Run.STATE_SUCCEEDED: 2,
        Run.STATE_FAILED: 1,
    }
    assert date_of(answer.by_day[0].day) == moment.date()
    assert answer.total.p50.ToNanoseconds() <= answer.total.p95.ToNanoseconds()
    only = api.call(STATISTICS, **span, pipeline="contract.fail")
    assert [item.pipeline for item in only.by_pipeline] == ["contract.fail"]
    parts = api.call(STATISTICS, start_time=first.create_time, include_parts=True)
    assert sum(count.runs for count in parts.total.counts) > 3
    nothing = api.call(STATISTICS, end_time={"seconds": 1})
    assert (list(nothing.by_pipeline), nothing.total.HasField("p50")) == ([], False)


@covers(STATISTICS, "INVALID_ARGUMENT")
def test_a_span_that_cannot_be_is_refused(api: Api) -> None:
    for fields, field in [
        ({"start_time": {"seconds": 2**62}}, "start_time"),
        ({"end_time": {"nanos": -5}}, "end_time"),
        ({"pipeline": "x" * 201}, "pipeline"),
        ({"pipeline": "a\x00b"}, "pipeline"),
    ]:
        refused = api.refusal(STATISTICS, **fields)
        assert (refused.code, refused.field) == ("INVALID_ARGUMENT", field), refused


PURGE = "RunService.PurgeRuns"


@covers(PURGE, "OK", "INVALID_ARGUMENT")
def test_an_age_is_a_second_at_least(api: Api) -> None:
    for age in ({}, {"seconds": 0}, {"seconds": -5}, {"nanos": 999_999_999}, {"seconds": 2**62}):
        refused = api.refusal(PURGE, older_than=age)
        assert (refused.code, refused.field) == ("INVALID_ARGUMENT", "older_than"), (age, refused)
    assert api.refusal(PURGE).field == "older_than"
    hundred_years, ten_thousand_years = 100 * 365 * 86_400, 315_576_000_000
    for age in (hundred_years, ten_thousand_years):
        answer = api.call(PURGE, older_than={"seconds": age})
        assert (answer.runs, answer.kept) == (0, 0)


def test_old_runs_are_deleted_but_not_what_data_refers_to(
    own_servers: None, home: Home, tmp_path: Path
) -> None:
    with Server(home, workers=1) as server, server.api() as api:
        quick = done(api, "contract.quick")
        flow = done(api, "contract.nightly", number=1, items=[1, 2])
        captured = bring(api, weekly_file(tmp_path, new_week()))
        waiting = submit(api, "contract.without_parameters")

        def purged() -> Any:
            answer = api.call(PURGE, older_than={"seconds": 1}, role="admin")
            return answer if api.code("RunService.GetRun", name=flow.name) == "NOT_FOUND" else None

        wait_for("run that ended a second ago", purged)
        wait_for(
            "end of what is kept",
            lambda: (
                not api.call(PURGE, older_than={"seconds": 1}).runs
                and not api.call("RunService.ListRunEvents", parent=captured.name).events
            ),
        )
        assert api.code("RunService.GetRun", name=quick.name) == "NOT_FOUND"
        assert api.call("RunService.ListRunSteps", parent=flow.name).steps == []
        assert get(api, captured.name).name == captured.name
        assert get(api, waiting.name).state == Run.STATE_PENDING
        assert api.call("RunService.ListRunLineage", parent=captured.name).edges
        assert not server.defects
