"""What there is on a server to be asked about, by the fields of requests."""

from __future__ import annotations

from datetime import date
from typing import Any

from api_calls import Api
from api_data import DOMAIN, REFRESH
from api_messages import Seeds
from api_values import day, values

from market_spine.v1.dataset_service_pb2 import PartitionSelection

_MONDAY = date(2025, 11, 10)
_PIPELINES = ["contract.quick", "contract.daily", "contract.file", "contract.healing", REFRESH]
_WORKFLOWS = ["contract.nightly", "contract.healing"]
_DATASETS = [f"datasets/{DOMAIN}.{name}" for name in ("venue_volume", "tier_split", "rolling_6w")]


def seeds_of(api: Api) -> Seeds:
    """Makes some runs and a backfill, and tells what can be asked for then."""
    submit = "RunService.SubmitRun"
    waiting = api.call(submit, pipeline="contract.quick").run.name
    cancelled = api.call(submit, pipeline="contract.quick").run.name
    api.call("RunService.CancelRun", name=cancelled)
    flow = api.call(submit, pipeline="contract.healing", parameters=values(name="a")).run.name
    plan = {"pipeline": "contract.daily", "first_period": day(_MONDAY), "last_period": day(_MONDAY)}
    backfill = api.call("BackfillService.CreateBackfill", plan=plan).backfill.name
    runs, backfills = [waiting, cancelled, flow], [backfill]
    entries = "method = market_spine.v1.RunService/SubmitRun"
    found = Seeds(
        {
            "parent": runs,
            "run": runs,
            "capture": ["captures/nothing"],
            "dataset": _DATASETS,
            "columns": ["mpid", "symbol", "shares", "tier", "week_start"],
            "symbols": ["AAA", "BBB"],
            "equals": [{}, {"tier": "OTC"}, {"symbol": "AAA"}],
            "pipeline": ["contract.quick", "workflows/contract.nightly"],
            "parameter": ["number", "label", "day", "desk", "file", "files", "tier", "shares"],
            "parameters": [
                {},
                {},
                values(number=7),
                values(label="x"),
                values(number=1, items=[1]),
            ],
            "page_token": ["", "", "", *_tokens(api, backfill)],
            "segment": ["OTC", "T1"],
            "domain": [DOMAIN],
            "digest": ["0" * 64],
            "reason": ["BLANK_SYMBOL"],
            "paths": ["max_active"],
            "request_id": ["", "", "the same"],
            "partition": ["2025-11-10/OTC"],
            "from_step": ["", "first"],
            "order_by": [""],
            "ListRunsRequest.order_by": ["", "create_time", "create_time desc"],
            "ListRunsRequest.filter": [
                f"pipeline = contract.quick AND state = PENDING AND parent_run = {flow}",
                'create_time >= "2025-11-10T00:00:00Z" AND create_time < 9999-12-31',
                f"name < {flow}",
                'parent_run = "" AND trigger = REQUEST AND category = INTERNAL',
                'partition = "\\"\\\\%_\u202e"',
            ],
            "ListBackfillsRequest.filter": ["pipeline = contract.daily AND state = RUNNING"],
            "ListAuditEntriesRequest.filter": [entries, "caller = local"],
            "filter": ["", f"name = {_PIPELINES[0]}", 'name != ""'],
            "BackfillPlan.pipeline": ["contract.daily"],
            "BackfillPlan.parameters": [{}, values(desk="A"), values(label="x")],
            "BackfillPlan.max_active": [0, 1, 1000],
            "Backfill.name": backfills,
            "Backfill.max_active": [1, 7, 1000],
            "ListBackfillPartitionsRequest.parent": backfills,
            "GetPipelineRequest.name": [f"pipelines/{name}" for name in _PIPELINES],
            "GetWorkflowRequest.name": [f"workflows/{name}" for name in _WORKFLOWS],
            "GetDatasetRequest.name": _DATASETS,
        }
    )
    chosen = [PartitionSelection(domain=DOMAIN), PartitionSelection(run=waiting)]
    for word in ("ManifestEntries", "Rejects", "QualityResults"):
        found[f"List{word}Request.partitions"] = chosen
    for word in ("Get", "Cancel", "Retry"):
        found[f"{word}RunRequest.name"] = runs
    found["WatchRunRequest.name"] = runs
    for word in ("Get", "Pause", "Resume", "Cancel", "Update"):
        found[f"{word}BackfillRequest.name"] = backfills
    return found


def _tokens(api: Api, backfill: str) -> list[str]:
    listings: list[tuple[str, dict[str, Any]]] = [
        ("RunService.ListRuns", {}),
        ("PipelineService.ListPipelines", {}),
        ("BackfillService.ListBackfillPartitions", {"parent": backfill}),
    ]
    return [api.call(name, page_size=1, **fields).next_page_token for name, fields in listings]
