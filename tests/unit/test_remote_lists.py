"""Lists of a server that go on after an item: it is asked for what is wanted, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from scripted_server import ScriptedServer, scripted

from market_spine.bootstrap.remote import RemoteApplication
from market_spine.bootstrap.remote_settings import RemoteSettings
from market_spine.domain.access import AuditFilter
from market_spine.domain.runs import RunFilter, RunState
from market_spine.v1 import (
    backfill_pb2,
    backfill_service_pb2,
    run_pb2,
    run_service_pb2,
    system_service_pb2,
)

NOON = datetime(2025, 12, 15, 12, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A server whose lists have no end."""
    run = run_pb2.Run(
        name="runs/r1", pipeline="a.b", state="STATE_FAILED", trigger="TRIGGER_REQUEST"
    )
    backfill = backfill_pb2.Backfill(name="backfills/b1", pipeline="a.b", state="STATE_RUNNING")
    for day in (backfill.first_period, backfill.last_period):
        day.year, day.month, day.day = 2025, 11, 10
    entry = system_service_pb2.AuditEntry(id="e1", caller="me", role="ROLE_ADMIN", method="m")
    for at in (run.create_time, backfill.create_time, entry.time):
        at.FromDatetime(NOON)

    def runs(request: Any, _: Any) -> Any:
        return run_service_pb2.ListRunsResponse(
            runs=[run] * request.page_size, next_page_token="more"
        )

    def backfills(request: Any, _: Any) -> Any:
        return backfill_service_pb2.ListBackfillsResponse(
            backfills=[backfill] * request.page_size, next_page_token="more"
        )

    def entries(request: Any, _: Any) -> Any:
        return system_service_pb2.ListAuditEntriesResponse(
            entries=[entry] * request.page_size, next_page_token="more"
        )

    answers = {
        "RunService/ListRuns": runs,
        "BackfillService/ListBackfills": backfills,
        "SystemService/ListAuditEntries": entries,
    }
    with scripted(answers) as running:
        yield running


@pytest.fixture
def remote(server: ScriptedServer) -> Iterator[RemoteApplication]:
    made = RemoteApplication(RemoteSettings(server.address))
    yield made
    made.close()


def test_pages_of_a_list_are_asked_for_one_by_one(
    server: ScriptedServer, remote: RemoteApplication
) -> None:
    runs = RunFilter(state=RunState.FAILED, limit=7)
    assert len(remote.read_runs().list(runs)) == 7
    assert len(remote.read_runs().list(replace(runs, before="r9"))) == 7
    assert len(remote.read_backfills().list(before="b9", limit=5)) == 5
    assert len(remote.audit_log().list(AuditFilter("me", None, "e9", 3))) == 3

    asked = [(call.request.filter, call.request.page_size) for call in server.received]
    assert asked == [
        ('state = "FAILED"', 7),
        ('state = "FAILED" AND name < "runs/r9"', 7),
        ('name < "backfills/b9"', 5),
        ('caller = "me" AND id < "e9"', 3),
    ]
