"""How the server starts, says that it is well, and leaves."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from api_process import WAIT, ApiProcess
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from market_spine.v1.run_service_pb2 import GetRunRequest, ListRunsRequest

SERVICES = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1alpha.ServerReflection",
    "market_spine.v1.RunService",
]
Status = health_pb2.HealthCheckResponse.ServingStatus


def slow_call(api: ApiProcess, timeout: float = WAIT) -> Any:
    """A call that has reached the store and waits there."""
    call = api.runs.GetRun.future(GetRunRequest(name="runs/slow"), timeout=timeout)
    api.expect("entered")
    return call


@pytest.mark.parametrize("service", ["", *SERVICES])
def test_every_service_is_serving(api: ApiProcess, service: str) -> None:
    assert api.health_of(service) == "SERVING"


def test_the_health_of_an_unknown_service_is_not_found(api: ApiProcess) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        api.health_of("market_spine.v1.Nothing")
    problem: Any = raised.value

    assert problem.code() is grpc.StatusCode.NOT_FOUND


def test_watching_an_unknown_service_says_so_and_stays_open(api: ApiProcess) -> None:
    watch = api.health.Watch(health_pb2.HealthCheckRequest(service="nothing"), timeout=WAIT)

    assert next(watch).status == Status.SERVICE_UNKNOWN
    assert watch.is_active()
    watch.cancel()


def test_reflection_tells_everything_a_client_needs(api: ApiProcess) -> None:
    database = ProtoReflectionDescriptorDatabase(api.channel)
    pool = DescriptorPool(database)

    assert sorted(database.get_services()) == SERVICES
    service = pool.FindServiceByName("market_spine.v1.RunService")
    assert [method.name for method in service.methods] == ["GetRun", "ListRuns"]
    run = pool.FindMessageTypeByName("market_spine.v1.Run")
    assert run.fields_by_name["error"].message_type.full_name == "market_spine.v1.Error"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_leaves_at_once_with_success(
    own_api: ApiProcess, number: signal.Signals
) -> None:
    own_api.signal(number)

    assert own_api.exit_code() == 0
    assert "Traceback" not in own_api.log


def test_a_signal_drains(own_api: ApiProcess) -> None:
    api = own_api
    api.add({"number": 1})
    watch = api.health.Watch(health_pb2.HealthCheckRequest(), timeout=WAIT)
    assert next(watch).status == Status.SERVING
    in_flight = slow_call(api)

    api.signal()

    assert next(watch).status == Status.NOT_SERVING
    assert list(watch) == []  # the watch ends by itself, or it would hold the server up
    assert refuses_new_calls(api)
    assert not in_flight.done()
    api.release()
    assert in_flight.result(WAIT).run.name == "runs/slow"
    assert api.exit_code() == 0


def refuses_new_calls(api: ApiProcess) -> bool:
    """Whether calls end as UNAVAILABLE, as soon as the listening port is closed."""
    for _ in range(10_000):
        try:
            api.runs.ListRuns(ListRunsRequest(), timeout=WAIT)
        except grpc.RpcError as error:
            problem: Any = error
            return problem.code() is grpc.StatusCode.UNAVAILABLE
    return False


def test_a_second_signal_ends_a_drain(own_api: ApiProcess) -> None:
    own_api.add({"number": 1})
    watch = own_api.health.Watch(health_pb2.HealthCheckRequest(), timeout=WAIT)
    assert next(watch).status == Status.SERVING
    slow_call(own_api)
    own_api.signal()
    assert next(watch).status == Status.NOT_SERVING

    own_api.signal()

    assert own_api.exit_code() == -signal.SIGTERM


def test_a_second_server_on_the_port_fails_clearly(
    api: ApiProcess, new_database: Callable[[str], Path]
) -> None:
    with ApiProcess(new_database("second"), listen=f"127.0.0.1:{api.port}") as second:
        assert second.first_event["event"] == "refused"
        error = second.first_event["error"]
        assert error["type"] == "ConfigurationError"
        assert f"127.0.0.1:{api.port}" in error["message"]
        assert "--listen" in error["hint"]
        assert second.exit_code() == 2
    assert api.health_of() == "SERVING"


def test_a_port_is_free_again_after_the_server_has_left(
    new_database: Callable[[str], Path],
) -> None:
    with ApiProcess(new_database("first")) as first:
        port = first.port
        assert first.health_of() == "SERVING"
        first.signal()
        assert first.exit_code() == 0

    with ApiProcess(new_database("second"), listen=f"127.0.0.1:{port}") as second:
        assert second.port == port


def test_a_call_past_its_deadline_ends_and_harms_nobody(own_api: ApiProcess) -> None:
    own_api.add({"number": 1})
    call = slow_call(own_api, timeout=0.5)

    assert call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    own_api.release()
    assert own_api.runs.GetRun(GetRunRequest(name="runs/00000001"), timeout=WAIT).run.name
    own_api.signal()
    assert own_api.exit_code() == 0
    assert own_api.log == ""


def test_a_cancelled_call_is_no_error_of_the_server(own_api: ApiProcess) -> None:
    own_api.add({"number": 1})
    call = slow_call(own_api)

    call.cancel()

    own_api.release()
    assert call.code() is grpc.StatusCode.CANCELLED
    own_api.signal()
    assert own_api.exit_code() == 0
    assert own_api.log == ""


def test_health_answers_while_every_thread_is_busy(own_api: ApiProcess) -> None:
    own_api.add({"number": 1})
    calls = [slow_call(own_api) for _ in range(8)]
    waiting = own_api.runs.ListRuns.future(ListRunsRequest(), timeout=WAIT)

    assert own_api.health_of("market_spine.v1.RunService") == "SERVING"
    assert not waiting.done()
    own_api.release()
    assert len(waiting.result(WAIT).runs) == 1
    assert {call.result(WAIT).run.name for call in calls} == {"runs/slow"}
