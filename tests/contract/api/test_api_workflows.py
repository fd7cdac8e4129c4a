"""Runs of workflows, and what is gone on with after a failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from api_calls import Api
from api_claims import covers
from api_runs import done, ended, running, state, submit, unique
from api_values import plain

from market_spine.v1.run_pb2 import Run

Needs = Callable[..., None]


def steps(api: Api, run: str) -> list[Run]:
    return list(api.call("RunService.ListRunSteps", parent=run, page_size=1000).steps)


def states(api: Api, run: str) -> dict[str, str]:
    """How steps stand, by name and item."""
    return {
        f"{step.step}{step.item}" if step.HasField("item") else step.step: state(step)
        for step in steps(api, run)
    }


@covers("RunService.ListRunSteps")
def test_a_workflow_is_a_run_with_parts(api: Api, needs: Needs) -> None:
    needs("contract.nightly")

    run = done(api, "workflows/contract.nightly", number=7, items=[10, 20, 30])

    assert [step.name for step in run.plan.steps] == ["count", "parts", "never", "end"]
    assert states(api, run.name) == {
        "count": "SUCCEEDED",
        "parts0": "SUCCEEDED",
        "parts1": "SUCCEEDED",
        "parts2": "SUCCEEDED",
        "never": "SKIPPED",
        "end": "SUCCEEDED",
    }
    parts = steps(api, run.name)
    assert {part.parent_run for part in parts} == {run.name}
    assert {part.trigger for part in parts} == {Run.TRIGGER_WORKFLOW}
    assert [part.name for part in parts] == sorted(part.name for part in parts)
    assert [plain(part.output) for part in parts if part.step == "parts"] == [
        {"number": 10},
        {"number": 20},
        {"number": 30},
    ]


def test_a_workflow_takes_what_its_steps_refer_to(api: Api, needs: Needs) -> None:
    needs("contract.nightly")

    for parameters in [{}, {"number": 1}, {"number": 1, "items": [], "more": 2}]:
        from api_values import values

        refused = api.refusal(
            "RunService.SubmitRun", pipeline="contract.nightly", parameters=values(**parameters)
        )
        assert refused.code == "INVALID_ARGUMENT", (parameters, refused)


def test_cancelling_a_workflow_ends_all_that_is_inside(api: Api, needs: Needs) -> None:
    needs("contract.flood")
    run = submit(api, "contract.flood", items=list(range(200)))

    api.call("RunService.CancelRun", name=run.name)

    assert state(ended(api, run.name)) == "CANCELLED"
    assert set(states(api, run.name).values()) <= {"SUCCEEDED", "CANCELLED", "SKIPPED"}


@covers("RunService.RetryRun")
def test_a_retry_does_what_is_left(api: Api, needs: Needs) -> None:
    needs("contract.healing")
    failed = ended(api, submit(api, "contract.healing", name=unique()).name)
    assert state(failed) == "FAILED"
    assert states(api, failed.name) == {
        "first": "SUCCEEDED",
        "second": "FAILED",
        "third": "SKIPPED",
    }

    retried = api.call("RunService.RetryRun", name=failed.name, role="operator").run

    assert (retried.retry_of, retried.trigger) == (failed.name, Run.TRIGGER_RETRY)
    assert state(ended(api, retried.name)) == "SUCCEEDED"
    assert set(states(api, retried.name).values()) == {"SUCCEEDED"}
    first = next(step for step in steps(api, retried.name) if step.step == "first")
    assert first.retry_of == steps(api, failed.name)[0].name
    assert list(first.warnings) == [f"done by run {first.retry_of.removeprefix('runs/')}"]


def test_a_retry_does_all_or_from_a_step_when_it_is_told_to(api: Api, needs: Needs) -> None:
    needs("contract.nightly")
    run = done(api, "contract.nightly", number=1, items=[1])

    everything = api.call("RunService.RetryRun", name=run.name, all=True).run
    ended(api, everything.name)
    part = api.call("RunService.RetryRun", name=run.name, from_step="end").run
    ended(api, part.name)

    assert all(not step.retry_of for step in steps(api, everything.name))
    reused = {step.step for step in steps(api, part.name) if step.retry_of}
    assert reused == {"count", "parts"}


def test_a_failed_pipeline_is_done_again(api: Api, needs: Needs) -> None:
    needs("contract.once")
    name = unique()
    failed = ended(api, submit(api, "contract.once", name=name).name)
    assert state(failed) == "FAILED"

    again = ended(api, api.call("RunService.RetryRun", name=failed.name).run.name)

    assert (state(again), plain(again.output)) == ("SUCCEEDED", {"name": name})


@covers("RunService.RetryRun", "INVALID_ARGUMENT", "OK")
def test_what_cannot_be_retried_is_refused(api: Api, needs: Needs) -> None:
    needs("contract.patient", "contract.quick", "contract.nightly", "contract.fail")
    live = running(api, submit(api, "contract.patient").name)
    succeeded = done(api, "contract.nightly", number=1, items=[])
    part = steps(api, succeeded.name)[0]
    failed = ended(api, submit(api, "contract.fail").name)
    refusals: list[dict[str, Any]] = [
        {"name": live.name},
        {"name": live.name, "all": True},
        {"name": part.name},
        {"name": succeeded.name},
        {"name": succeeded.name, "from_step": "nothing"},
        {"name": succeeded.name, "from_step": "end", "all": True},
        {"name": failed.name, "from_step": "end"},
    ]

    for fields in refusals:
        refused = api.refusal("RunService.RetryRun", **fields)
        assert refused.code == "INVALID_ARGUMENT", (fields, refused)
    api.call("RunService.CancelRun", name=live.name)
    ended(api, live.name)
    assert api.code("RunService.RetryRun", name=live.name) == "OK"  # patient once more
    twice = api.refusal("RunService.RetryRun", name=live.name)
    assert twice.code == "INVALID_ARGUMENT", "it is being retried already"
    [second] = api.call("RunService.ListRuns", filter=f"retry_of = {live.name}").runs
    api.call("RunService.CancelRun", name=second.name)
