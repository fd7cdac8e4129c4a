"""Filters and orders: what they keep, and what is no filter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from api_calls import METHODS, Api
from api_claims import covers
from api_runs import done, ended, submit, unique
from api_values import day, values

from market_spine.v1.run_pb2 import Run

Needs = Callable[..., None]
FILTERED = [
    name for name, method in METHODS.items() if "filter" in method.input_type.fields_by_name
]
ORDERED = [
    name for name, method in METHODS.items() if "order_by" in method.input_type.fields_by_name
]

FIELDS = {
    "PipelineService.ListPipelines": "name",
    "WorkflowService.ListWorkflows": "name",
    "DatasetService.ListDatasets": "name",
    "RunService.ListRuns": "pipeline",
    "BackfillService.ListBackfills": "pipeline",
    "SystemService.ListAuditEntries": "caller",
}


def names(api: Api, text: str, **fields: Any) -> list[str]:
    pages = api.pages("RunService.ListRuns", "runs", filter=text, **fields)
    return [run.name for page in pages for run in page]


def test_every_list_with_a_filter_is_tried() -> None:
    assert sorted(FIELDS) == sorted(FILTERED)


BAD = [
    "{0}",
    "{0} =",
    "= a",
    "{0} == a",
    "{0} ~ a",
    "{0} > a",
    "{0} < a",
    "{0} = a AND",
    "AND {0} = a",
    "{0} = a {0} = a",
    "{0} = a OR {0} = b",
    "{0} = a and {0} = b",
    "{0} = a AND {0} = b",
    "NOT {0} = a",
    "({0} = a)",
    "nothing = a",
    "{1} = a",
    '"{0}" = a',
    "a = {0}",
    '{0} = "a',
    '{0} = "a\\n"',
    "{0} = 'a'",
    "{0} = a, b",
    "{0} = *",
    "{0} = ä",
    "{0} = \x00",
    "{0}:a",
    "{0} = a b",
    "{0} = " + "a" * 2000,
    '{0} = "' + "ä" * 1000 + '"',
    " AND ".join(["{0} = a"] * 21),
    "(" * 900,
    '"' * 1999,
]


@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=covers(name, "INVALID_ARGUMENT")) for name in FILTERED]
)
def test_what_is_no_filter_is_refused_with_an_example(api: Api, method: str) -> None:
    name = FIELDS[method]
    for text in BAD:
        told = text.format(name, name.upper()) if "{" in text else text

        refused = api.refusal(method, filter=told)

        assert refused.code == "INVALID_ARGUMENT", (told[:80], refused)
        assert refused.field == "filter", (told[:80], refused)
        assert refused.details["ErrorInfo"].metadata["hint"]


@pytest.mark.parametrize("method", FILTERED)
@pytest.mark.parametrize(
    "text", ["", "   ", '{0} = ""', '{0}="a b"', '{0} = "a\\"b"', '  {0}   =\t"\\\\"  ', "{0}=-1"]
)
def test_what_is_a_filter_is_taken(api: Api, method: str, text: str) -> None:
    assert api.code(method, filter=text.replace("{0}", FIELDS[method])) == "OK"


@pytest.mark.parametrize("method", ORDERED)
def test_an_order_is_one_of_those_that_are_told(api: Api, method: str) -> None:
    runs = method in ("RunService.ListRuns", "BackfillService.ListBackfills")
    default = "create_time desc" if runs else "name"
    for order in ["", default, f"  {default.replace(' ', '   ')} "]:
        assert api.code(method, order_by=order) == "OK", order
    for order in [
        "desc",
        "state",
        default + ", name",
        "desc " + default,
        "NAME",
        "create_time\x00",
    ]:
        refused = api.refusal(method, order_by=order)
        assert (refused.code, refused.field) == ("INVALID_ARGUMENT", "order_by"), order


@pytest.mark.parametrize(
    ("method", "items"),
    [
        ("PipelineService.ListPipelines", "pipelines"),
        ("WorkflowService.ListWorkflows", "workflows"),
        ("DatasetService.ListDatasets", "datasets"),
    ],
)
def test_names_are_kept_left_out_and_turned_round(api: Api, method: str, items: str) -> None:
    def listed(**fields: Any) -> list[str]:
        pages = api.pages(method, items, **fields)
        return [item.name for page in pages for item in page]

    everything = listed()
    if not everything:
        pytest.skip(f"{api.address} has no {items}")
    one = everything[len(everything) // 2]
    bare = one.partition("/")[2]

    assert listed(order_by="name desc") == everything[::-1]
    assert listed(order_by="name desc", page_size=1) == everything[::-1]
    assert listed(filter=f"name = {bare}") == [one]
    assert listed(filter=f"name != {bare}") == [name for name in everything if name != one]
    assert listed(filter=f"name = {bare} AND name != {bare}") == []
    assert listed(filter=f"name = {one}") == [], "the id is compared, without its kind"


def test_pipelines_are_kept_by_pool_and_origin(api: Api, needs: Needs) -> None:
    needs("contract.without_parameters")

    def listed(text: str) -> list[str]:
        pages = api.pages("PipelineService.ListPipelines", "pipelines", filter=text)
        return [item.name for page in pages for item in page]

    assert listed("pool = elsewhere") == ["pipelines/contract.without_parameters"]
    assert "pipelines/contract.quick" in listed("pool != elsewhere AND origin = user")
    assert "pipelines/contract.quick" not in listed("origin != user")


def test_datasets_are_kept_by_domain(api: Api) -> None:
    def listed(text: str) -> list[str]:
        pages = api.pages("DatasetService.ListDatasets", "datasets", filter=text)
        return [item.domain for page in pages for item in page]

    assert set(listed("domain = finra.otc_transparency")) == {"finra.otc_transparency"}
    assert "finra.otc_transparency" not in listed("domain != finra.otc_transparency")


@covers("RunService.ListRuns")
def test_each_comparison_of_runs_keeps_what_it_says(api: Api, needs: Needs) -> None:
    needs("contract.quick", "contract.fail", "contract.nightly", "contract.daily")
    about = unique("kept")
    quick = done(api, "contract.quick", label=about)
    odd = f'{about} with blanks, Zoë & "quotes" \\ \''
    quoted = submit(api, "contract.quick", label=odd)
    failed = ended(api, submit(api, "contract.fail", fields={"partition": about}).name)
    flow = done(api, "contract.nightly", number=1, items=[5], fields={"partition": about})
    retry = api.call("RunService.RetryRun", name=failed.name).run
    parts = names(api, f"parent_run = {flow.name}")
    escaped = odd.replace("\\", "\\\\").replace('"', '\\"')

    assert quick.name in names(api, f"pipeline = contract.quick AND partition = {about}")
    assert names(api, f'partition = "{escaped}"') == [quoted.name]
    assert names(api, f"state = FAILED AND partition = {about} AND trigger = REQUEST") == [
        failed.name
    ]
    assert failed.name in names(api, f"category = VALIDATION AND partition = {about}")
    assert names(api, f"category = TIMEOUT AND partition = {about}") == []
    assert names(api, f"retry_of = {failed.name}") == [retry.name]
    assert len(parts) == 4
    assert names(api, f"parent_run = {flow.name} AND step = parts") == [
        name for name in parts if name in names(api, "step = parts")
    ]
    tops = names(api, f'parent_run = "" AND partition = {about}')
    assert {quick.name, failed.name, flow.name} <= set(tops)
    assert names(api, f"parent_run = {quick.name}") == []
    assert names(api, "pipeline = contract.qui") == []


def test_runs_are_kept_by_when_they_were_created(api: Api, needs: Needs) -> None:
    needs("contract.quick")
    about = unique("time")
    runs = [submit(api, "contract.quick", label=about) for _ in range(3)]
    times = [run.create_time.ToDatetime(tzinfo=UTC) for run in runs]
    middle = times[1].isoformat()

    def kept(text: str) -> list[str]:
        return names(api, f"partition = {about} AND {text}", order_by="create_time")

    everything = [run.name for run in runs]
    assert kept(f'create_time >= "{middle}"') == everything[1:]
    assert kept(f'create_time < "{middle}"') == everything[:1]
    assert kept(f"create_time >= {times[0].strftime('%Y-%m-%dT%H:%M:%S.%fZ')}") == everything
    local = times[1].astimezone(datetime.now().astimezone().tzinfo or UTC)
    later = (times[2] + timedelta(hours=5)).replace(tzinfo=None).isoformat() + "+05:00"
    assert (
        kept(f'create_time >= "{local.isoformat()}" AND create_time < "{later}"')
        == (everything[1:2])
    )


@covers("RunService.ListRuns")
def test_runs_are_kept_that_stand_behind_another(api: Api, needs: Needs) -> None:
    needs("contract.quick")
    about = unique("behind")
    runs = [submit(api, "contract.quick", label=about).name for _ in range(4)]
    behind = f"partition = {about} AND name < {runs[2]}"

    assert names(api, behind) == [runs[1], runs[0]]
    assert names(api, behind, page_size=1) == [runs[1], runs[0]]
    assert names(api, behind, order_by="create_time", page_size=1) == runs[:2]
    assert names(api, f"partition = {about} AND name < {runs[0]}") == []
    page = api.call("RunService.ListRuns", filter=behind, page_size=1)
    other = behind.replace(runs[2], runs[3])
    assert api.code("RunService.ListRuns", filter=other, page_token=page.next_page_token) == (
        "INVALID_ARGUMENT"
    )


@pytest.mark.parametrize(
    "text",
    [
        "name < 0198c5e2",
        'name < "runs/a b"',
        "name < backfills/0198c5e2",
        "name = runs/0198c5e2",
        "state = STATE_FAILED",
        "state = failed",
        "state = 4",
        "trigger = TRIGGER_REQUEST",
        "trigger = SOMETHING",
        "category = NONE",
        "create_time = 2025-11-10",
        "create_time > 2025-11-10",
        "create_time <= 2025-11-10",
        "create_time >= yesterday",
        "create_time >= 2025-13-10",
        "create_time < 1763000000",
        "parent_run = 0198c5e2",
        "parent_run = runs/",
        "parent_run = pipelines/x",
        "retry_of = 0198c5e2",
        "backfill = runs/0198c5e2",
        'retry_of = ""',
        f"pipeline = {'x' * 201}",
        "state != FAILED",
        "metrics.rows = 7",
    ],
)
def test_a_comparison_that_cannot_be_is_refused(api: Api, text: str) -> None:
    refused = api.refusal("RunService.ListRuns", filter=text)

    assert (refused.code, refused.field) == ("INVALID_ARGUMENT", "filter"), refused


@covers("BackfillService.ListBackfills", "OK", "INVALID_ARGUMENT")
def test_backfills_are_kept_by_pipeline_and_state(api: Api, needs: Needs) -> None:
    needs("contract.daily")
    plan = {
        "pipeline": "contract.daily",
        "first_period": day(date(1999, 1, 1)),
        "last_period": day(date(1999, 1, 1)),
    }
    plan["parameters"] = values(wait=True)
    made = api.call("BackfillService.CreateBackfill", plan={**plan, "force": True}).backfill
    api.call("BackfillService.CancelBackfill", name=made.name)

    def listed(text: str) -> list[str]:
        pages = api.pages("BackfillService.ListBackfills", "backfills", filter=text)
        return [item.name for page in pages for item in page]

    assert made.name in listed("pipeline = contract.daily AND state = CANCELLED")
    assert made.name not in listed("state = RUNNING")
    assert listed("pipeline = contract.quick") == []
    assert api.refusal("BackfillService.ListBackfills", filter="state = ENDED").field == "filter"
    older = listed(f"name < {made.name}")
    assert made.name not in older
    assert all(name < made.name for name in older)
    refused = api.refusal("BackfillService.ListBackfills", filter="name < runs/0198c5e2")
    assert (refused.code, refused.field) == ("INVALID_ARGUMENT", "filter")
    partitions = f"backfill = {made.name}"
    assert all(
        run.trigger == Run.TRIGGER_BACKFILL
        for run in api.call("RunService.ListRuns", filter=partitions).runs
    )
