"""Runs: submitted, executed, told about, cancelled."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from api_calls import Api
from api_claims import covers
from api_runs import done, ended, get, running, state, submit, unique
from api_values import plain, plains, value, values

from market_spine.v1.error_pb2 import ERROR_CATEGORY_INTERNAL, ERROR_CATEGORY_VALIDATION
from market_spine.v1.run_event_pb2 import RunEvent
from market_spine.v1.run_pb2 import QueueEntry, Run

Needs = Callable[..., None]


def kinds(api: Api, run: str) -> list[str]:
    events = api.call("RunService.ListRunEvents", parent=run).events
    return [RunEvent.Kind.Name(event.kind).removeprefix("KIND_") for event in events]


@covers("RunService.SubmitRun")
@covers("RunService.GetRun")
@covers("RunService.ListRunEvents")
@covers("RunService.ListRunLogLines")
def test_a_run_is_queued_executed_and_remembered(api: Api, needs: Needs) -> None:
    needs("contract.quick")
    about = unique("about")

    queued = submit(api, "contract.quick", number=2**53 + 1, label=about)

    assert queued.name.startswith("runs/")
    assert (queued.pipeline, queued.partition) == ("contract.quick", about)
    assert state(queued) in ("PENDING", "RUNNING")
    assert plains(queued.parameters) == {"number": 2**53 + 1, "label": about}
    run = ended(api, queued.name)
    assert state(run) == "SUCCEEDED"
    assert plain(run.output) == {"number": 2**53 + 1}
    assert run.create_time.ToDatetime() <= run.start_time.ToDatetime() <= run.end_time.ToDatetime()
    assert run.duration.ToTimedelta() == run.end_time.ToDatetime() - run.start_time.ToDatetime()
    assert (run.attempt, run.trigger, run.force) == (1, Run.TRIGGER_REQUEST, False)
    assert run.owner
    assert not run.HasField("queue")
    assert not run.HasField("progress")
    assert kinds(api, run.name) == ["SUBMITTED", "CLAIMED", "SUCCEEDED"]
    [line] = api.call("RunService.ListRunLogLines", parent=run.name).lines
    assert (line.run, line.number, line.level) == (run.name, 1, "INFO")
    assert line.text == f"the number is {2**53 + 1}"


@pytest.mark.parametrize("prefix", ["", "pipelines/", "workflows/"])
def test_the_name_may_stand_alone_or_with_its_kind(api: Api, needs: Needs, prefix: str) -> None:
    name = "contract.healing" if prefix == "workflows/" else "contract.quick"
    needs(name)
    given = {"name": unique()} if prefix == "workflows/" else {}

    assert submit(api, prefix + name, **given).pipeline == name


@covers("RunService.GetRun")
def test_a_run_that_waits_tells_how(api: Api, needs: Needs) -> None:
    needs("contract.without_parameters")
    fields = {"priority": 7, "force": True, "partition": unique()}
    submitted = submit(api, "contract.without_parameters", fields=fields)

    run = get(api, submitted.name)

    assert (state(run), run.attempt, run.force) == ("PENDING", 0, True)
    assert run.partition == fields["partition"]
    entry = run.queue
    assert (entry.state, entry.pool) in [
        (QueueEntry.STATE_READY, "elsewhere"),
        (QueueEntry.STATE_HELD, "elsewhere"),
    ]
    assert (entry.priority, entry.key, entry.timeout.ToSeconds()) == (7, "one", 600)
    assert entry.pipeline == "contract.without_parameters"
    assert not entry.HasField("lease_expire_time")
    assert (entry.retry.attempts, entry.retry.delay.ToSeconds()) == (3, 60)
    api.call("RunService.CancelRun", name=run.name)


def test_a_run_that_is_executed_tells_how_far_it_is(api: Api, needs: Needs) -> None:
    needs("contract.patient")

    run = running(api, submit(api, "contract.patient").name)

    assert run.queue.state == QueueEntry.STATE_CLAIMED
    assert run.queue.lease_expire_time.ToDatetime() > run.start_time.ToDatetime()
    assert (run.progress.label, run.progress.unit) == ("waiting", "looks")
    assert not run.progress.HasField("total")
    api.call("RunService.CancelRun", name=run.name)
    assert state(ended(api, run.name)) == "CANCELLED"


def test_a_failed_run_says_why(api: Api, needs: Needs) -> None:
    needs("contract.fail")

    run = ended(api, submit(api, "contract.fail", message="no such week, Zoë").name)

    assert state(run) == "FAILED"
    assert (run.error.type, run.error.category) == ("ValidationError", ERROR_CATEGORY_VALIDATION)
    assert (run.error.message, run.error.hint) == ("no such week, Zoë", "ask for something else")
    assert run.error.context.run == run.name.removeprefix("runs/")
    assert list(run.warnings) == ["it will not work"]
    assert not run.HasField("output")
    lines = api.call("RunService.ListRunLogLines", parent=run.name).lines
    assert [(line.level, line.text) for line in lines] == [
        ("ERROR", "about to fail"),
        ("WARNING", "it will not work"),
    ]


def test_a_run_that_breaks_is_told_from_one_that_was_refused(api: Api, needs: Needs) -> None:
    needs("contract.crash")

    run = ended(api, submit(api, "contract.crash").name)

    assert state(run) == "FAILED"
    assert run.error.category == ERROR_CATEGORY_INTERNAL
    assert (run.error.foreign_cause.type, run.error.foreign_cause.message) == (
        "builtins.RuntimeError",
        "the inner workings",
    )


def test_an_attempt_that_failed_is_followed_by_another(api: Api, needs: Needs) -> None:
    needs("contract.again")

    run = done(api, "contract.again")

    assert (run.attempt, plain(run.output)) == (2, {"attempt": 2})
    assert kinds(api, run.name) == [
        "SUBMITTED",
        "CLAIMED",
        "RETRY_SCHEDULED",
        "CLAIMED",
        "SUCCEEDED",
    ]
    lines = api.call("RunService.ListRunLogLines", parent=run.name).lines
    assert [line.text for line in lines] == ["attempt 1, line 0", "attempt 2, line 0"]
    assert [line.number for line in lines] == sorted({line.number for line in lines})


@covers("RunService.ListRunLogLines")
def test_a_page_as_large_as_can_be_does_not_end_the_lines(api: Api, needs: Needs) -> None:
    """Two attempts keep a thousand lines each: more than a page may hold."""
    needs("contract.again")
    run = done(api, "contract.again", lines=900)

    pages = api.pages("RunService.ListRunLogLines", "lines", parent=run.name, page_size=1000)

    assert [len(page) for page in pages] == [1000, 800]
    assert len({line.number for page in pages for line in page}) == 1800


def test_values_arrive_as_they_were_given(api: Api, needs: Needs) -> None:
    needs("contract.quick")
    for given, stored in [
        (7, 7),
        ("7", 7),
        (Decimal("7"), 7),
        (-(2**63), -(2**63)),
        (2**63 - 1, 2**63 - 1),
    ]:
        run = submit(api, "contract.quick", number=given)
        assert plain(run.parameters["number"]) == stored, given


def test_a_secret_is_taken_by_reference_and_told_nowhere(api: Api, needs: Needs) -> None:
    needs("contract.secret")
    refused = api.refusal(
        "RunService.SubmitRun",
        pipeline="contract.secret",
        parameters=values(password="hunter2-of-tests"),
    )
    assert refused.code == "INVALID_ARGUMENT"
    assert "hunter2" not in str(refused)

    run = ended(api, submit(api, "contract.secret", password="env:HOME").name)

    assert state(run) == "SUCCEEDED", run
    assert plains(run.parameters) == {"password": "env:HOME"}
    [line] = api.call("RunService.ListRunLogLines", parent=run.name).lines
    assert line.text == "the password is ***"


@pytest.mark.parametrize(
    "password", ["env:SPINE_DATABASE_URL", "env:spine_token", "file:/etc/passwd", "file:../key"]
)
def test_a_secret_that_is_not_opened_is_not_resolved(api: Api, needs: Needs, password: str) -> None:
    needs("contract.secret")
    refused = api.refusal(
        "RunService.SubmitRun", pipeline="contract.secret", parameters=values(password=password)
    )
    assert refused.code == "PERMISSION_DENIED"
    assert "parameters.password" in str(refused)


SUBMISSIONS: list[tuple[str, dict[str, Any], str, str | None]] = [
    ("a pipeline that is not there", {"pipeline": "pipelines/no.such"}, "NOT_FOUND", None),
    ("no pipeline", {"pipeline": ""}, "INVALID_ARGUMENT", "pipeline"),
    ("no name", {"pipeline": "pipelines/"}, "INVALID_ARGUMENT", "pipeline"),
    ("another resource", {"pipeline": "runs/contract.quick"}, "INVALID_ARGUMENT", "pipeline"),
    ("an unknown parameter", {"parameters": values(nombre=1)}, "INVALID_ARGUMENT", None),
    ("a text for a number", {"parameters": values(number="seven")}, "INVALID_ARGUMENT", None),
    ("a list for a number", {"parameters": values(number=[1])}, "INVALID_ARGUMENT", None),
    ("a fraction", {"parameters": values(number=1.5)}, "INVALID_ARGUMENT", None),
    ("a priority too low", {"priority": -1001}, "INVALID_ARGUMENT", None),
    ("a priority too high", {"priority": 1001}, "INVALID_ARGUMENT", None),
    ("a request id too long", {"request_id": "x" * 201}, "INVALID_ARGUMENT", None),
    ("one too long in bytes", {"request_id": "ä" * 101}, "INVALID_ARGUMENT", None),
]


def newest_run(api: Api) -> list[str]:
    """The name of the newest run, or nothing where a server has had none yet."""
    return [run.name for run in api.call("RunService.ListRuns", page_size=1).runs]


@covers("RunService.SubmitRun", "NOT_FOUND", "INVALID_ARGUMENT")
def test_what_cannot_be_submitted_is_refused_and_leaves_nothing(api: Api, needs: Needs) -> None:
    needs("contract.quick")
    before = newest_run(api)
    for what, fields, code, field in SUBMISSIONS:
        refused = api.refusal("RunService.SubmitRun", **{"pipeline": "contract.quick", **fields})

        assert refused.code == code, (what, refused)
        assert field is None or refused.field == field, (what, refused)
        assert refused.details["ErrorInfo"].reason == "VALIDATION"
    assert newest_run(api) == before


def test_a_value_too_deep_is_refused(api: Api, needs: Needs) -> None:
    needs("contract.quick")
    deep: Any = 1
    for _ in range(40):
        deep = [deep]

    refused = api.refusal(
        "RunService.SubmitRun", pipeline="contract.quick", parameters={"number": value(deep)}
    )

    assert (refused.code, refused.field) == ("INVALID_ARGUMENT", "parameters")


@covers("RunService.SubmitRun", "OK", "ALREADY_EXISTS")
def test_a_repeated_request_is_the_same_run(api: Api, needs: Needs) -> None:
    needs("contract.quick", "contract.fail")
    request = {"fields": {"request_id": unique("request")}}
    first = submit(api, "contract.quick", number=1, **request)

    again = submit(api, "pipelines/contract.quick", number="1", **request)
    ended(api, first.name)
    later = submit(api, "contract.quick", number=1, **request)

    assert first.name == again.name == later.name
    assert state(later) == "SUCCEEDED"
    for pipeline, parameters in [
        ("contract.quick", values(number=2)),
        ("contract.quick", {}),
        ("contract.fail", {}),
    ]:
        refused = api.refusal(
            "RunService.SubmitRun", pipeline=pipeline, parameters=parameters, **request["fields"]
        )
        assert refused.code == "ALREADY_EXISTS", refused
        assert refused.resource == first.name
    assert api.code("RunService.SubmitRun", pipeline="contract.quick") == "OK"


def test_the_longest_request_id_is_taken(api: Api, needs: Needs) -> None:
    needs("contract.quick")
    request = {"fields": {"request_id": unique().ljust(200, "x")}}

    first = submit(api, "contract.quick", **request)
    assert submit(api, "contract.quick", **request).name == first.name


@covers("RunService.CancelRun")
def test_what_waits_is_cancelled_at_once(api: Api, needs: Needs) -> None:
    needs("contract.without_parameters")
    run = submit(api, "contract.without_parameters")

    cancelled = api.call("RunService.CancelRun", name=run.name, role="operator").run

    assert state(cancelled) == "CANCELLED"
    assert cancelled.HasField("cancel_request_time")
    assert api.call("RunService.CancelRun", name=run.name).run == cancelled
    assert kinds(api, run.name)[-1] == "CANCELLED"


def test_what_is_executed_is_told_to_end(api: Api, needs: Needs) -> None:
    needs("contract.patient")
    run = running(api, submit(api, "contract.patient").name)

    told = api.call("RunService.CancelRun", name=run.name).run

    assert state(told) in ("RUNNING", "CANCELLED")
    assert told.HasField("cancel_request_time")
    assert state(ended(api, run.name)) == "CANCELLED"
    assert kinds(api, run.name)[-2:] == ["CANCEL_REQUESTED", "CANCELLED"]


def test_what_has_ended_stays_as_it_is(api: Api, needs: Needs) -> None:
    needs("contract.quick")
    run = done(api, "contract.quick")

    assert api.call("RunService.CancelRun", name=run.name).run == run
    assert get(api, run.name) == run


@covers("RunService.ListRunSteps")
@covers("RunService.ListRunEvents")
@covers("RunService.ListRunLogLines")
def test_a_run_that_does_not_exist_has_no_parts_events_or_lines(api: Api) -> None:
    for method, items in [
        ("ListRunSteps", "steps"),
        ("ListRunEvents", "events"),
        ("ListRunLogLines", "lines"),
    ]:
        answer = api.call(f"RunService.{method}", parent="runs/nothing")
        assert (list(getattr(answer, items)), answer.next_page_token) == ([], "")


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(f"RunService.{name}", marks=covers(f"RunService.{name}", "INVALID_ARGUMENT"))
        for name in ("ListRunSteps", "ListRunEvents", "ListRunLogLines", "ListRunLineage")
    ],
)
def test_a_parent_of_another_form_is_invalid(api: Api, method: str) -> None:
    for name in ["", "runs/", "run/1", "runs/a b", "runs/\x00", "pipelines/x"]:
        refused = api.refusal(method, parent=name)
        assert (refused.code, refused.field) == ("INVALID_ARGUMENT", "parent"), (name, refused)


@pytest.mark.parametrize("kind", ["event", "line"])
def test_events_and_lines_are_told_from_a_number_on(api: Api, needs: Needs, kind: str) -> None:
    needs("contract.slow")
    method = {"event": "RunService.ListRunEvents", "line": "RunService.ListRunLogLines"}[kind]
    run = done(api, "contract.slow", lines=5, pause=0.0)
    everything = list(getattr(api.call(method, parent=run.name), f"{kind}s"))
    assert len(everything) >= 3

    for place, item in enumerate(everything):
        rest = api.call(method, parent=run.name, **{f"after_{kind}": item.number})
        assert list(getattr(rest, f"{kind}s")) == everything[place + 1 :]
    refused = api.refusal(method, parent=run.name, **{f"after_{kind}": -1})
    assert (refused.code, refused.field) == ("INVALID_ARGUMENT", f"after_{kind}")
