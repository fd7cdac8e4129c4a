"""Calls of the client: what is repeated, how long they wait, what is sent, how lists are read."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from scripted_server import ScriptedServer, fail, in_turn, scripted

from market_spine.client import SpineClient
from market_spine.client.channel import SERVICES, is_repeatable
from market_spine.domain.errors import Category, ConfigurationError, SpineError, ValidationError
from market_spine.domain.runs import RunState
from market_spine.v1 import run_pb2, run_service_pb2

AWAY = SpineError("the database is away", category=Category.DEPENDENCY)


def run_message(number: int = 1) -> run_pb2.Run:
    message = run_pb2.Run(
        name=f"runs/r{number}", pipeline="a.b", state="STATE_PENDING", trigger="TRIGGER_REQUEST"
    )
    message.create_time.FromDatetime(datetime(2025, 12, 15, 12, tzinfo=UTC))
    return message


GOT = run_service_pb2.GetRunResponse(run=run_message())
SUBMITTED = run_service_pb2.SubmitRunResponse(run=run_message())
RETRIED = run_service_pb2.RetryRunResponse(run=run_message())
CANCELLED = run_service_pb2.CancelRunResponse(run=run_message())


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted({}) as running:
        yield running


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[SpineClient]:
    with SpineClient(server.address) as made:
        yield made


def test_what_may_be_repeated_follows_from_the_contract() -> None:
    every = {
        f"/{service.full_name}/{item.name}" for service in SERVICES for item in service.methods
    }

    # RetryRun makes a new run each time; an upload is repeated with its file.
    assert {path.rpartition(".")[2] for path in every if not is_repeatable(path)} == {
        *("RunService/RetryRun", "DatasetService/UploadFile"),
    }
    assert not is_repeatable("/grpc.health.v1.Health/Check")


@pytest.mark.parametrize(
    ("method", "answer", "call"),
    [
        ("RunService/GetRun", GOT, lambda client: client.runs.get("r1")),
        ("RunService/SubmitRun", SUBMITTED, lambda client: client.runs.submit("a.b")),
        ("RunService/CancelRun", CANCELLED, lambda client: client.runs.cancel("r1")),
    ],
)
def test_a_server_that_is_away_for_a_moment_is_asked_again(
    server: ScriptedServer, client: SpineClient, method: str, answer: Any, call: Any
) -> None:
    server.answers[method] = in_turn(AWAY, AWAY, answer)

    assert call(client).id == "r1"

    assert len(server.calls(method)) == 3


def test_a_submission_is_repeated_under_one_id_and_each_has_its_own(
    server: ScriptedServer, client: SpineClient
) -> None:
    server.answers["RunService/SubmitRun"] = in_turn(AWAY, SUBMITTED)

    client.runs.submit("a.b")
    client.runs.submit("a.b")
    client.runs.submit("a.b", request_id="mine")

    ids = [call.request.request_id for call in server.calls("RunService/SubmitRun")]
    assert ids[0] == ids[1]
    assert ids[3] == "mine"
    assert len(set(ids)) == 3
    assert all(ids)


def test_what_would_be_done_twice_is_not_repeated(
    server: ScriptedServer, client: SpineClient
) -> None:
    server.answers["RunService/RetryRun"] = in_turn(AWAY, RETRIED)

    with pytest.raises(SpineError, match="the database is away") as raised:
        client.runs.retry("r1")

    assert raised.value.retryable
    assert len(server.calls("RunService/RetryRun")) == 1


def test_other_failures_are_not_repeated(server: ScriptedServer, client: SpineClient) -> None:
    busy = SpineError("too many calls", category=Category.RATE_LIMIT, retry_after=2.5)
    server.answers["RunService/GetRun"] = in_turn(busy, GOT)

    with pytest.raises(SpineError, match="too many calls") as raised:
        client.runs.get("r1")

    assert raised.value.retry_after == 2.5
    assert len(server.calls("RunService/GetRun")) == 1


def test_a_server_that_says_when_it_is_back_is_not_asked_before(
    server: ScriptedServer, client: SpineClient
) -> None:
    asked: list[float] = []
    draining = SpineError("the server stops", category=Category.DEPENDENCY, retry_after=0.4)
    answer = in_turn(draining, GOT)

    def noted(*call: Any) -> Any:
        asked.append(time.monotonic())
        return answer(*call)

    server.answers["RunService/GetRun"] = noted

    client.runs.get("r1")

    assert asked[1] - asked[0] > 0.4


def test_nobody_waits_for_a_repeat_that_would_come_too_late(server: ScriptedServer) -> None:
    late = SpineError("the server stops", category=Category.DEPENDENCY, retry_after=3600)
    server.answers["RunService/GetRun"] = in_turn(late, GOT)
    server.answers["RunService/ListRuns"] = in_turn(AWAY)

    with SpineClient(server.address, timeout=math.inf) as client:
        with pytest.raises(SpineError, match="the server stops") as raised:
            client.runs.get("r1")
        # What has failed is told rather than that the time is over.
        with pytest.raises(SpineError, match="the database is away"):
            client.runs.page(timeout=0.3)

    assert raised.value.retry_after == 3600
    assert len(server.calls("RunService/GetRun")) == 1
    assert 1 < len(server.calls("RunService/ListRuns")) < 4


def test_a_server_that_stays_away_is_asked_five_times(
    server: ScriptedServer, client: SpineClient
) -> None:
    server.answers["RunService/GetRun"] = in_turn(AWAY)

    with pytest.raises(SpineError, match="the database is away"):
        client.runs.get("r1")

    assert len(server.calls("RunService/GetRun")) == 5


def test_closing_the_client_ends_a_call_that_waits_for_its_repeat(server: ScriptedServer) -> None:
    called = threading.Event()
    back_soon = SpineError("the server stops", category=Category.DEPENDENCY, retry_after=9)

    def answer(_: Any, context: grpc.ServicerContext) -> Any:
        called.set()
        return fail(context, back_soon)

    server.answers["RunService/GetRun"] = answer
    failed: list[SpineError] = []
    client = SpineClient(server.address)

    def ask() -> None:
        try:
            client.runs.get("r1")
        except SpineError as error:
            failed.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    assert called.wait(20)
    begun = time.monotonic()
    client.close()
    asking.join(20)

    assert time.monotonic() - begun < 5
    assert failed[0].category in (Category.CONFIGURATION, Category.TRANSIENT)


def test_a_call_has_the_clients_time_or_its_own_or_none(server: ScriptedServer) -> None:
    server.answers["RunService/GetRun"] = in_turn(GOT)

    with SpineClient(server.address, timeout=50) as client:
        client.runs.get("r1")
        client.runs.get("r1", timeout=5)
        client.runs.get("r1", timeout=math.inf)

    left = [call.remaining for call in server.received]
    assert left[0] is not None
    assert 40 < left[0] < 51
    assert left[1] is not None
    assert 1 < left[1] < 6
    assert left[2] is None or left[2] > 10**8


def test_a_call_that_takes_too_long_says_so(server: ScriptedServer, client: SpineClient) -> None:
    over = threading.Event()
    server.answers["RunService/GetRun"] = lambda *_: over.wait(20) and GOT

    with pytest.raises(SpineError) as raised:
        client.runs.get("r1", timeout=0.1)
    over.set()

    assert raised.value.category is Category.TIMEOUT
    assert raised.value.retryable
    assert "timeout=" in str(raised.value.hint)


def test_nothing_is_connected_before_the_first_call_and_nothing_is_called_after_the_last() -> None:
    client = SpineClient("127.0.0.1:1")
    with client:
        pass

    with pytest.raises(ConfigurationError, match="is closed"):
        client.runs.get("r1")


def test_a_token_goes_with_every_call(server: ScriptedServer) -> None:
    server.answers["RunService/GetRun"] = in_turn(GOT)
    server.answers["RunService/ListRuns"] = in_turn(run_service_pb2.ListRunsResponse())

    with SpineClient(server.address, token="spt_secret") as client:
        client.runs.get("r1")
        list(client.runs.list())

    assert [call.metadata.get("authorization") for call in server.received] == [
        "Bearer spt_secret"
    ] * 2


def test_pages_are_asked_for_when_they_are_reached(
    server: ScriptedServer, client: SpineClient
) -> None:
    def page(request: run_service_pb2.ListRunsRequest, _: grpc.ServicerContext) -> Any:
        first = int(request.page_token or 0)
        runs = [run_message(number) for number in range(first, first + 3)]
        token = str(first + 3) if first < 6 else ""
        return run_service_pb2.ListRunsResponse(runs=runs, next_page_token=token)

    server.answers["RunService/ListRuns"] = page

    found = client.runs.list(state=RunState.FAILED)
    assert server.received == []
    first_three = [next(found).id for _ in range(3)]
    assert len(server.received) == 1
    rest = [run.id for run in found]

    assert first_three + rest == [f"r{number}" for number in range(9)]
    assert {call.request.page_size for call in server.received} == {1000}
    assert {call.request.filter for call in server.received} == {'state = "FAILED"'}
    assert len(list(client.runs.list(limit=3))) == 3
    assert server.received[-1].request.page_size == 3


def test_a_list_has_no_more_than_its_limit_though_pages_are_short(
    server: ScriptedServer, client: SpineClient
) -> None:
    answer = run_service_pb2.ListRunsResponse(
        runs=[run_message(1), run_message(2)], next_page_token="x"
    )
    server.answers["RunService/ListRuns"] = in_turn(answer)

    assert len(list(client.runs.list(limit=4))) == 4
    assert [call.request.page_size for call in server.received] == [4, 2]
    assert list(client.runs.list(limit=0)) == []


def test_one_page_is_what_was_asked_for(server: ScriptedServer, client: SpineClient) -> None:
    answer = run_service_pb2.ListRunsResponse(runs=[run_message()], next_page_token="more")
    server.answers["RunService/ListRuns"] = in_turn(answer)

    page = client.runs.page(size=7, token="here", pipeline="a.b")

    assert ([run.id for run in page.items], page.next_token) == (["r1"], "more")
    asked = server.received[0].request
    assert (asked.page_size, asked.page_token, asked.filter) == (7, "here", 'pipeline = "a.b"')


@pytest.mark.parametrize("text", ["a\udcff", "\ud800"])
def test_text_that_cannot_be_sent_is_a_typed_error(client: SpineClient, text: str) -> None:
    for call in (
        lambda: client.runs.submit(text),
        lambda: client.runs.submit("a.b", {"file": text}),
        lambda: client.runs.submit("a.b", {text: "file"}),
        lambda: next(client.runs.list(pipeline=text)),
        lambda: client.runs.get(text),
    ):
        with pytest.raises(ValidationError, match="cannot be sent"):
            call()


def test_a_number_out_of_range_is_a_typed_error(client: SpineClient) -> None:
    with pytest.raises(ValidationError, match="cannot be sent"):
        client.runs.submit("a.b", priority=2**40)


def test_a_time_without_a_zone_is_refused(client: SpineClient) -> None:
    naive = datetime(2025, 12, 16)  # noqa: DTZ001  # what is refused

    for call in (
        lambda: next(client.runs.list(since=naive)),
        lambda: client.runs.statistics(until=naive),
    ):
        with pytest.raises(ValidationError, match="has no time zone"):
            call()
