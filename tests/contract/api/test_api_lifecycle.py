"""How the server starts, says that it is well, and leaves."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from api_calls import SEEN, WAIT, Api, Refusal, message_of
from api_claims import covers
from api_place import Home, Server
from api_runs import submit, wait_for
from grpc_health.v1 import health_pb2, health_pb2_grpc

MEBIBYTE = 1024 * 1024
MOST_MEMORY = 200 * MEBIBYTE
THREADS = 8  # that execute use cases: so many calls that wait hold up all others but health
Status = health_pb2.HealthCheckResponse.ServingStatus


@contextmanager
def locked(home: Home) -> Iterator[None]:
    """Somebody else writes to the store, and takes his time: whoever wants to write waits."""
    connection = sqlite3.connect(home.folder / "spine.db", isolation_level=None, timeout=WAIT)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


def waiting_call(client: Api) -> Any:
    """A call that has reached the server, where it waits for the store."""
    request = message_of("RunService.SubmitRun")(pipeline="contract.quick")
    call = client.raw("RunService.SubmitRun").future(request, timeout=WAIT)
    # Calls of one connection arrive in their order.
    assert client.call("SystemService.GetVersion").api == "v1"
    assert not call.done()
    return call


def test_it_serves_soon_and_takes_little(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    with Server(home) as server, server.api() as client:
        client.call("RunService.ListRuns")
        took = time.monotonic() - began
        memory = server.memory
        with capsys.disabled():
            print(f"\nan idle server: first answer after {took:.1f} s, {memory >> 20} MiB")
        assert memory < MOST_MEMORY


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_leaves_at_once_with_success(own: Server, number: signal.Signals) -> None:
    own.signal(number)

    assert own.exit_code() == 0
    assert "Traceback" not in own.log


@covers("RunService.WatchRun", "UNAVAILABLE")
@covers("RunService.ListRuns", "UNAVAILABLE")
def test_a_signal_drains(own: Server) -> None:
    with own.api() as client, own.api() as other:
        run = submit(client, "contract.without_parameters")
        health = health_pb2_grpc.HealthStub(client.channel).Watch(
            health_pb2.HealthCheckRequest(), timeout=WAIT
        )
        assert next(health).status == Status.SERVING
        answers = client.stream("RunService.WatchRun", name=run.name)
        assert next(answers).run.name == run.name
        with locked(own.home):
            call = waiting_call(other)

            own.signal()

            assert next(health).status == Status.NOT_SERVING
            assert list(health) == [], "it ends by itself, or it would hold the server up"
            refused = end_of(answers)
            assert refused.code == "UNAVAILABLE"
            assert refused.details["RetryInfo"].retry_delay.ToMilliseconds() > 0
            assert refused.details["ErrorInfo"].metadata["retryable"] == "true"
            with own.api() as late:
                code = wait_for("refusal", lambda: refusing(late))
            assert code == "UNAVAILABLE"
            assert not call.done(), "what is in flight goes on"
        assert call.result(WAIT).run.pipeline == "contract.quick"
        assert own.exit_code() == 0
    assert not own.defects


def end_of(answers: Iterator[Any]) -> Refusal:
    with pytest.raises(grpc.RpcError) as raised:
        list(answers)
    return Refusal.of(raised.value)


def refusing(client: Api) -> str | None:
    code = client.code("RunService.ListRuns")
    return code if code != "OK" else None


def test_a_second_signal_ends_a_drain(own: Server) -> None:
    with own.api() as client, locked(own.home):
        health = health_pb2_grpc.HealthStub(client.channel).Watch(
            health_pb2.HealthCheckRequest(), timeout=WAIT
        )
        assert next(health).status == Status.SERVING
        waiting_call(client)
        own.signal()
        assert next(health).status == Status.NOT_SERVING

        own.signal()

        assert own.exit_code() == -signal.SIGTERM


def test_a_second_server_on_the_port_fails_clearly(own: Server, tmp_path: Any) -> None:
    second = Server(Home(tmp_path / "second"), listen=own.address)
    try:
        assert second.port == 0
        assert second.exit_code() == 6
        assert own.address in second.log
        assert "--listen" in second.log
        assert "Traceback" not in second.log
    finally:
        second.end()
    assert own.health() == "SERVING"


def test_a_port_is_free_again_after_the_server_has_left(own: Server) -> None:
    with own.api() as client:
        client.call("SystemService.GetVersion")
        own.signal()
        assert own.exit_code() == 0

    with Server(own.home, listen=own.address) as again, again.api() as client:
        assert again.port == own.port
        assert client.call("SystemService.GetVersion").api == "v1"


def test_health_answers_while_every_thread_is_busy(own: Server) -> None:
    with own.api() as client:
        with locked(own.home):
            calls = [waiting_call(client) for _ in range(THREADS)]
            request = message_of("RunService.ListRuns")()
            reading = client.raw("RunService.ListRuns").future(request, timeout=WAIT)

            assert own.health("market_spine.v1.RunService") == "SERVING"
            assert client.call("SystemService.GetVersion").api == "v1"
            assert not any(call.done() for call in calls)
        assert {call.result(WAIT).run.pipeline for call in calls} == {"contract.quick"}
        assert reading.result(WAIT) is not None
        assert len(client.call("RunService.ListRuns").runs) == THREADS
    SEEN.note("RunService.ListRuns", "OK")


@covers("RunService.SubmitRun", "DEADLINE_EXCEEDED")
def test_a_call_past_its_deadline_or_given_up_harms_nobody(own: Server) -> None:
    with own.api() as client:
        with locked(own.home):
            refused = client.refusal("RunService.SubmitRun", pipeline="contract.quick", timeout=0.3)
            assert refused.code == "DEADLINE_EXCEEDED"
            given_up = waiting_call(client)
            given_up.cancel()
            assert given_up.code() is grpc.StatusCode.CANCELLED
        assert client.call("RunService.ListRuns") is not None
        own.signal()
        assert own.exit_code() == 0
    assert "Traceback" not in own.log
    assert not own.defects


def test_of_a_killed_server_all_is_left_that_was_recorded_and_nothing_else(home: Home) -> None:
    with Server(home) as server, server.api() as client:
        client.refusal("RunService.CancelRun", name="runs/nothing")
        with locked(home):
            waiting_call(client)
            server.signal(signal.SIGKILL)
            assert server.exit_code() == -signal.SIGKILL

    with Server(home) as again, again.api() as client:
        entries = client.call("SystemService.ListAuditEntries").entries
        assert [entry.outcome for entry in entries] == ["NOT_FOUND"]
        assert client.call("RunService.ListRuns").runs == []
