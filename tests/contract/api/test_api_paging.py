"""Every list in pages: of every size, with every token, for every method that has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from api_calls import METHODS, Api
from api_claims import covers
from api_data import DOMAIN, bring, new_week, weekly_file
from api_runs import done, submit, unique
from api_values import day

PAGED = [
    name for name, method in METHODS.items() if "page_token" in method.input_type.fields_by_name
]
MOST = 12  # pages of every size are asked for as long as there are no more items


@dataclass
class Listing:
    """A list with some items: how to ask for it, and how for another one."""

    items: str
    fields: dict[str, Any] = field(default_factory=dict)
    other: dict[str, Any] = field(default_factory=dict)
    least: int = 4


@pytest.fixture(scope="module")
def listings(target: Api, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Listing]:
    """A list for each method, on a server that has our pipelines."""
    api = target
    if api.code("PipelineService.GetPipeline", name="pipelines/contract.quick") != "OK":
        pytest.skip(f"{api.address} has no contract.quick: it comes with the module api_pipelines")
    about = unique("paged")
    for number in range(7):
        submit(api, "contract.quick", number=number, label=about)
    flow = done(api, "contract.nightly", number=1, items=[1, 2])
    slow = done(api, "contract.slow", lines=6, pause=0.0)
    week = new_week()
    files = tmp_path_factory.mktemp("weeks")
    weeks = [new_week() for _ in range(4)]
    for item in weeks:
        captured = bring(api, weekly_file(files, item))
    plan = {
        "pipeline": "contract.daily",
        "first_period": day(week),
        "last_period": day(week + timedelta(days=2)),
    }
    for _ in range(4):
        request = {"plan": plan, "request_id": unique("backfill")}
        backfill = api.call("BackfillService.CreateBackfill", **request).backfill
        week = week + timedelta(days=100)
        plan["first_period"], plan["last_period"] = day(week), day(week + timedelta(days=2))
    chosen = {"domain": DOMAIN}
    between = {"first_period": day(weeks[0]), "last_period": day(weeks[-1])}
    return {
        "PipelineService.ListPipelines": Listing("pipelines", {}, {"filter": "origin = user"}),
        "WorkflowService.ListWorkflows": Listing(
            "workflows", {}, {"filter": "origin = user"}, least=3
        ),
        "DatasetService.ListDatasets": Listing("datasets", {}, {"order_by": "name desc"}),
        "RunService.ListRuns": Listing(
            "runs", {"filter": f"partition = {about}"}, {"filter": "pipeline = contract.quick"}
        ),
        "RunService.ListRunSteps": Listing("steps", {"parent": flow.name}, {"parent": slow.name}),
        "RunService.ListRunEvents": Listing(
            "events", {"parent": slow.name}, {"after_event": 1}, least=3
        ),
        "RunService.ListRunLogLines": Listing("lines", {"parent": slow.name}, {"after_line": 1}),
        "BackfillService.ListBackfills": Listing(
            "backfills", {"filter": "pipeline = contract.daily"}, {"filter": ""}
        ),
        "BackfillService.ListBackfillPartitions": Listing(
            "partitions", {"parent": backfill.name}, {"states": ["STATE_PLANNED"]}
        ),
        "BackfillService.SurveyBackfill": Listing(
            "partitions", {"plan": plan}, {"plan": {**plan, "force": True}}
        ),
        "DatasetService.ListCaptures": Listing("captures", between, {"segment": "OTC"}),
        "DatasetService.ListManifestEntries": Listing(
            "manifest_entries", {"partitions": {**chosen, "segment": "OTC"}}, {"partitions": chosen}
        ),
        "DatasetService.ListRejects": Listing(
            "rejects", {"partitions": {**chosen, "segment": "OTC"}}, {"reason": "BLANK_SYMBOL"}
        ),
        "DatasetService.ListQualityResults": Listing(
            "quality_results", {"partitions": {"run": captured.name}}, {"partitions": chosen}
        ),
        "SystemService.ListAuditEntries": Listing(
            "entries", {"filter": "method = market_spine.v1.BackfillService/CreateBackfill"}
        ),
    }


def keys(items: list[Any]) -> list[bytes]:
    """Items as they can be compared; what still changes of a run or backfill is left out."""
    return [_key(item) for item in items]


def _key(item: Any) -> bytes:
    fields = item.DESCRIPTOR.fields_by_name
    if "name" in fields:
        return str(item.name).encode()
    if "backfill" in fields:
        return f"{item.backfill}/{item.number}".encode()
    return bytes(item.SerializeToString(deterministic=True))


def test_there_is_a_list_for_every_method(listings: dict[str, Listing]) -> None:
    assert sorted(listings) == sorted(PAGED)


@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=covers(name, "OK", "INVALID_ARGUMENT")) for name in PAGED]
)
def test_pages_of_every_size_hold_all_there_is_once_and_in_order(
    api: Api, listings: dict[str, Listing], method: str
) -> None:
    listing = listings[method]
    whole = api.call(method, page_size=1000, **listing.fields)
    items = keys(getattr(whole, listing.items))
    assert len(items) >= listing.least
    assert len(set(items)) == len(items)
    assert whole.next_page_token == ""

    for size in range(1, min(len(items), MOST) + 2):
        pages = api.pages(method, listing.items, page_size=size, **listing.fields)
        assert [len(page) for page in pages[:-1]] == [size] * (len(pages) - 1)
        assert 0 < len(pages[-1]) <= size
        assert keys([item for page in pages for item in page]) == items, size
    for taken_for_largest in (1001, 2**31 - 1):
        answer = api.call(method, page_size=taken_for_largest, **listing.fields)
        assert keys(getattr(answer, listing.items)) == items
    for negative in (-1, -(2**31)):
        refused = api.refusal(method, page_size=negative, **listing.fields)
        assert (refused.code, refused.field) == ("INVALID_ARGUMENT", "page_size")


@pytest.mark.parametrize("method", PAGED)
def test_the_size_may_change_between_pages(
    api: Api, listings: dict[str, Listing], method: str
) -> None:
    listing = listings[method]
    items = keys(getattr(api.call(method, page_size=1000, **listing.fields), listing.items))

    first = api.call(method, page_size=1, **listing.fields)
    rest = api.call(method, page_token=first.next_page_token, page_size=1000, **listing.fields)

    assert keys([*getattr(first, listing.items), *getattr(rest, listing.items)]) == items
    assert rest.next_page_token == ""


@pytest.mark.parametrize("method", PAGED)
def test_a_token_that_was_altered_or_belongs_elsewhere_is_refused(
    api: Api, listings: dict[str, Listing], method: str
) -> None:
    listing = listings[method]
    token = api.call(method, page_size=1, **listing.fields).next_page_token
    assert token
    elsewhere = next(name for name in PAGED if name != method)
    foreign = api.call(elsewhere, page_size=1, **listings[elsewhere].fields).next_page_token
    assert foreign

    def refused(told: str, **fields: Any) -> bool:
        refusal = api.refusal(method, page_token=told, page_size=1, **{**listing.fields, **fields})
        return (refusal.code, refusal.field) == ("INVALID_ARGUMENT", "page_token")

    assert refused(foreign)
    for altered in (token[:-1], token + "A", token[1:], token.swapcase(), f" {token}", token + "="):
        assert refused(altered), altered
    for place in range(0, len(token), max(1, len(token) // 8)):
        other = "A" if token[place] != "A" else "B"
        assert refused(token[:place] + other + token[place + 1 :]), place
    for made_up in ("!", "ü", "AAAA", "A" * 10_000, "\x00"):
        assert refused(made_up)
    if listing.other:
        assert refused(token, **listing.other)


Needs = Callable[..., None]


@pytest.mark.parametrize("order", ["create_time desc", "create_time"])
def test_runs_that_are_added_while_paging_neither_hide_nor_repeat_any(
    api: Api, needs: Needs, order: str
) -> None:
    needs("contract.quick")
    about = unique("growing")
    there = [submit(api, "contract.quick", label=about).name for _ in range(9)]
    added: list[str] = []
    seen: list[str] = []
    token = ""
    while token or not seen:
        page = api.call(
            "RunService.ListRuns",
            filter=f"partition = {about}",
            order_by=order,
            page_size=2,
            page_token=token,
        )
        seen += [run.name for run in page.runs]
        token = page.next_page_token
        if len(added) < 12:
            added += [submit(api, "contract.quick", label=about).name for _ in range(3)]

    assert len(seen) == len(set(seen)), "a run was repeated"
    if order == "create_time":
        assert seen == [*there, *added], "those that are added come at the end"
    else:
        assert seen == there[::-1], "those that are added stand before the first page"


def test_a_token_outlives_its_server(own_servers: None, home: Any) -> None:
    """The key of the seal is in the store: any server on it opens the tokens of every other."""
    from api_place import Server

    with Server(home) as server, server.api() as first:
        token = first.call("PipelineService.ListPipelines", page_size=1).next_page_token
    with Server(home) as one, Server(home) as two, one.api() as second, two.api() as third:
        pages = [
            client.call("PipelineService.ListPipelines", page_size=1, page_token=token)
            for client in (second, third)
        ]
    assert pages[0] == pages[1]
    assert len(pages[0].pipelines) == 1


def test_a_token_of_another_store_is_refused(own_servers: None, home: Any, tmp_path: Path) -> None:
    from api_place import Home, Server

    with Server(home) as one, one.api() as client:
        token = client.call("PipelineService.ListPipelines", page_size=1).next_page_token
    with Server(Home(tmp_path / "other")) as other, other.api() as client:
        refused = client.refusal("PipelineService.ListPipelines", page_size=1, page_token=token)
    assert (refused.code, refused.field) == ("INVALID_ARGUMENT", "page_token")
