"""What can be run, and which datasets there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from api_calls import Api
from api_claims import covers
from api_values import plain

from market_spine.v1.pipeline_pb2 import PartitionSpace
from market_spine.v1.retry_policy_pb2 import RetryPolicy

REFRESH = "finra.otc_transparency.refresh_week"
Needs = Callable[..., None]


def pipeline(api: Api, name: str) -> Any:
    return api.call("PipelineService.GetPipeline", name=f"pipelines/{name}", role="viewer").pipeline


@covers("PipelineService.GetPipeline")
def test_a_pipeline_tells_what_it_takes(api: Api, needs: Needs) -> None:
    needs("contract.quick")

    found = pipeline(api, "contract.quick")

    assert found.name == "pipelines/contract.quick"
    assert found.description == "Return a number."
    assert (found.origin, found.pool, found.max_active) == ("user", "default", 0)
    assert found.partition == "{label}"
    number, label = found.parameters
    assert (number.name, number.required, number.secret, number.file) == (
        "number",
        False,
        False,
        False,
    )
    assert (plain(number.default_value), number.example) == (0, "7")
    assert "whole number" in number.expected
    assert label.description == "What the run is about"


def test_secrets_and_files_are_marked_and_have_no_default(api: Api, needs: Needs) -> None:
    needs("contract.secret", "contract.file")

    [password] = pipeline(api, "contract.secret").parameters
    assert (password.secret, password.required) == (True, True)
    assert not password.HasField("default_value")
    file, label = pipeline(api, "contract.file").parameters
    assert (file.file, file.required, file.HasField("default_value")) == (True, True, False)
    assert (label.file, label.required) == (False, False)


def test_a_pipeline_tells_how_it_is_executed(api: Api, needs: Needs) -> None:
    needs("contract.without_parameters", "contract.again", "contract.daily")

    bound = pipeline(api, "contract.without_parameters")
    assert list(bound.parameters) == []
    assert (bound.pool, bound.max_active, bound.key) == ("elsewhere", 3, "one")
    assert bound.timeout.ToSeconds() == 600
    again = pipeline(api, "contract.again")
    assert (again.retry.attempts, again.retry.backoff) == (2, RetryPolicy.BACKOFF_FIXED)
    assert not again.HasField("timeout")
    daily = pipeline(api, "contract.daily").partitions
    assert (daily.period_parameter, daily.every) == ("day", PartitionSpace.EVERY_DAY)
    assert [(item.parameter, list(item.values)) for item in daily.values] == [("desk", ["A", "B"])]
    assert not pipeline(api, "contract.quick").HasField("partitions")


@covers("PipelineService.ListPipelines")
def test_what_is_listed_is_what_is_got(api: Api) -> None:
    listed = api.call("PipelineService.ListPipelines", page_size=1000, role="viewer").pipelines

    assert [item.name for item in listed] == sorted(item.name for item in listed)
    assert f"pipelines/{REFRESH}" in [item.name for item in listed]
    for item in listed:
        assert pipeline(api, item.name.removeprefix("pipelines/")) == item


@covers("WorkflowService.GetWorkflow")
@covers("WorkflowService.ListWorkflows")
def test_a_workflow_tells_its_graph(api: Api, needs: Needs) -> None:
    needs("contract.nightly")

    name = "workflows/contract.nightly"
    found = api.call("WorkflowService.GetWorkflow", name=name, role="viewer").workflow

    assert found.name == name
    assert (found.description, found.origin) == ("Count, do the items, end.", "user")
    assert sorted(found.parameters) == ["items", "number"]
    steps = {step.name: step for step in found.steps}
    assert list(steps["parts"].after) == ["count"]
    assert (steps["parts"].each, plain(steps["parts"].parameters["number"])) == (
        "${items}",
        "${item}",
    )
    assert steps["never"].when == "${steps.count.number} > 1000"
    assert steps["end"].pipeline == "contract.slow"
    assert (steps["end"].pool, steps["end"].even_if_skipped) == ("default", False)
    listed = api.call("WorkflowService.ListWorkflows", page_size=1000, role="viewer").workflows
    assert found in listed


@covers("DatasetService.GetDataset")
@covers("DatasetService.ListDatasets")
def test_a_dataset_tells_its_schema(api: Api) -> None:
    name = "datasets/finra.otc_transparency.venue_share"
    found = api.call("DatasetService.GetDataset", name=name, role="viewer").dataset

    assert (found.name, found.domain) == (name, "finra.otc_transparency")
    assert list(found.key) == ["week_start", "tier", "mpid"]
    columns = {item.name: item for item in found.columns}
    assert set(found.key) <= set(columns)
    assert (columns["week_start"].type, columns["mpid"].type) == ("Date", "String")
    assert columns["total_shares"].type.startswith("Decimal(")
    assert all(item.description for item in found.columns)
    listed = api.call("DatasetService.ListDatasets", page_size=1000, role="viewer").datasets
    assert found in listed
    assert [item.name for item in listed] == sorted(item.name for item in listed)


GETTERS = {
    "PipelineService.GetPipeline": "pipelines",
    "WorkflowService.GetWorkflow": "workflows",
    "DatasetService.GetDataset": "datasets",
    "RunService.GetRun": "runs",
    "BackfillService.GetBackfill": "backfills",
    "BackfillService.PauseBackfill": "backfills",
    "BackfillService.ResumeBackfill": "backfills",
    "BackfillService.CancelBackfill": "backfills",
    "RunService.CancelRun": "runs",
    "RunService.RetryRun": "runs",
    "RunService.WatchRun": "runs",
}


@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=covers(name, "NOT_FOUND")) for name in GETTERS]
)
def test_what_is_not_there_is_not_found_and_named(api: Api, method: str) -> None:
    name = f"{GETTERS[method]}/nothing.of.that.name"

    refused = api.refusal(method, name=name)

    assert refused.code == "NOT_FOUND", refused
    assert "nothing.of.that.name" in refused.text
    assert refused.resource == name
    assert refused.details["ErrorInfo"].metadata["hint"]
    assert refused.details["Error"].message == refused.text


@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=covers(name, "INVALID_ARGUMENT")) for name in GETTERS]
)
def test_a_name_of_another_form_is_invalid(api: Api, method: str) -> None:
    kind = GETTERS[method]
    for name in [
        "",
        kind,
        f"{kind}/",
        f"{kind[:-1]}/a",
        f"/{kind}/a",
        f"{kind}/a/",
        f"{kind}/a/b",
        kind.title() + "/a",
        f" {kind}/a",
        f"{kind}/a\n",
        f"{kind}/ä",
        f"{kind}/a b",
        f"{kind}/\x00",
        f"{kind}/" + "a" * 129,
        "x" * 100_000,
    ]:
        refused = api.refusal(method, name=name)

        assert refused.code == "INVALID_ARGUMENT", (name, refused)
        assert refused.field == "name", (name, refused)
        assert f'"{kind}/"' in refused.details["ErrorInfo"].metadata["hint"]
