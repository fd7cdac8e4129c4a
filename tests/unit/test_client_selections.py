"""What is asked for in words that nobody knows, or in values of another kind, is never ignored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from scripted_server import ScriptedServer, in_turn, scripted

from market_spine.client import SpineClient
from market_spine.domain.errors import ValidationError
from market_spine.v1 import backfill_pb2, backfill_service_pb2, run_service_pb2
from market_spine.v1 import dataset_service_pb2 as pb

DAY = date(2025, 11, 10)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted({}) as running:
        yield running


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[Any]:
    """Any: what is tested is what a type checker would have refused."""
    with SpineClient(server.address) as made:
        yield made


@pytest.mark.parametrize(
    ("call", "word", "meant"),
    [
        (lambda c: c.runs.list(status="FAILED"), "status", "state"),
        (lambda c: c.runs.page(pipelin="a.b"), "pipelin", "pipeline"),
        (lambda c: c.datasets.captures(week=DAY), "week", "first_period and last_period"),
        (lambda c: c.datasets.manifest(week=DAY), "week", "period"),
        (lambda c: c.datasets.rejects(segmet="OTC"), "segmet", "segment"),
        (lambda c: c.datasets.quality(tier="OTC"), "tier", "segment"),
        (lambda c: c.query("a.b", tier="OTC"), "tier", "segment"),
        (lambda c: c.query("a.b", symbol="A"), "symbol", "symbols"),
        (lambda c: c.query_batches("a.b", segmet="OTC"), "segmet", "segment"),
        (lambda c: c.datasets.query("a.b", colums=["a"]), "colums", "columns"),
        (lambda c: c.backfills.create("a.b", DAY, DAY, max_activ=1), "max_activ", "max_active"),
        (lambda c: c.backfills.survey("a.b", DAY, DAY, forced=True), "forced", "force"),
    ],
)
def test_an_unknown_word_is_named_with_the_one_that_was_meant(
    server: ScriptedServer, client: Any, call: Callable[[Any], Any], word: str, meant: str
) -> None:
    with pytest.raises(ValidationError, match=f"takes no {word}=") as raised:
        call(client)

    assert f"did you mean {meant}?" in str(raised.value.hint)
    assert server.received == []


def test_a_word_like_no_other_is_answered_with_all_that_there_are(
    server: ScriptedServer, client: Any
) -> None:
    with pytest.raises(ValidationError, match="takes no dry_run=") as raised:
        client.backfills.create("a.b", DAY, DAY, dry_run=True)

    assert raised.value.hint == "it takes parameters, only, max_active, force"
    assert server.received == []


ROWS = pb.QueryResponse(arrow=pl.DataFrame({"a": [1]}).write_ipc_stream(None).getvalue(), rows=1)


def test_dates_times_and_single_texts_are_taken_as_people_write_them(
    server: ScriptedServer, client: Any
) -> None:
    server.answers["DatasetService/Query"] = lambda *_: iter([ROWS])
    client.query(
        "a.b", first_period="2025-11-10", symbols="AAWEF", columns="mpid", as_of="2025-12-16"
    )
    client.query("a.b", as_of=date(2025, 12, 16))
    client.query("a.b", as_of="2025-12-16T10:30:00+01:00")

    first, second, third = (call.request for call in server.received)
    assert (first.first_period.month, first.first_period.day) == (11, 10)
    assert (list(first.symbols), list(first.columns)) == (["AAWEF"], ["mpid"])
    end = datetime(2025, 12, 16, 23, 59, 59, 999_999, tzinfo=UTC)
    assert first.as_of.ToDatetime(tzinfo=UTC) == second.as_of.ToDatetime(tzinfo=UTC) == end
    assert third.as_of.ToDatetime(tzinfo=UTC) == datetime(2025, 12, 16, 9, 30, tzinfo=UTC)


def test_names_of_states_are_taken_in_any_case(server: ScriptedServer, client: Any) -> None:
    server.answers["RunService/ListRuns"] = in_turn(run_service_pb2.ListRunsResponse())
    server.answers["BackfillService/SurveyBackfill"] = in_turn(
        backfill_service_pb2.SurveyBackfillResponse()
    )
    server.answers["BackfillService/ListBackfillPartitions"] = in_turn(
        backfill_service_pb2.ListBackfillPartitionsResponse()
    )

    list(client.runs.list(state="failed", since="2026-01-05", until="2026-01-05"))
    for only in ("missing", ["Missing"]):
        client.backfills.survey("a.b", "2025-11-10", DAY, only=only)
    list(client.backfills.partitions("b1", states="active"))

    runs, *surveys, parts = (call.request for call in server.received)
    assert runs.filter == (
        'state = "FAILED" AND create_time >= "2026-01-05T00:00:00+00:00"'
        ' AND create_time < "2026-01-05T23:59:59.999999+00:00"'
    )
    assert [list(survey.plan.only) for survey in surveys] == [
        [backfill_pb2.PARTITION_STATE_MISSING]
    ] * 2
    assert len(parts.states) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.query("a.b", first_period="monday"),
        lambda c: c.query("a.b", last_period=20251110.5),
        lambda c: c.query("a.b", as_of="soon"),
        lambda c: c.query("a.b", as_of=12),
        lambda c: c.query("a.b", symbols=5),
        lambda c: c.query("a.b", columns=["a", 1]),
        lambda c: c.query("a.b", limit=-1),
        lambda c: c.query("a.b", limit="5"),
        lambda c: c.runs.list(limit=-1),
        lambda c: c.runs.list(limit=1.5),
        lambda c: c.runs.list(state="broken"),
        lambda c: c.runs.list(trigger=3),
        lambda c: c.runs.statistics(since="yesterday"),
        lambda c: c.datasets.captures(stage="done"),
        lambda c: c.datasets.quality(period="2025-13-01"),
        lambda c: c.backfills.create("a.b", "x", DAY),
        lambda c: c.backfills.create("a.b", DAY, DAY, only=["absent"]),
        lambda c: c.backfills.list(state="failing"),
        lambda c: c.backfills.partitions("b1", states=["planed"]),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_is_asked(
    server: ScriptedServer, client: Any, call: Callable[[Any], Any]
) -> None:
    with pytest.raises(ValidationError) as raised:
        call(client)

    assert raised.value.hint
    assert server.received == []
