"""Whatever way a call fails, what is raised is typed and says what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import client_samples as samples
import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from hypothesis import HealthCheck, given, settings
from scripted_server import ScriptedServer, fail, scripted

from market_spine.adapters.inbound.grpc.statuses import internal_status, status_of
from market_spine.client import SpineClient
from market_spine.domain.errors import Category, SpineError, ValidationError
from market_spine.v1 import error_pb2, run_service_pb2

GET = "RunService/GetRun"


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with scripted({}) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: ScriptedServer) -> Iterator[SpineClient]:
    with SpineClient(server.address) as made:
        yield made


def raised(client: SpineClient) -> SpineError:
    with pytest.raises(SpineError) as caught:
        client.runs.get("r1")
    return caught.value


def ending(status: status_pb2.Status) -> Any:
    def answer(_: Any, context: grpc.ServicerContext) -> None:
        context.abort_with_status(rpc_status.to_status(status))

    return answer


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(error=samples.errors.filter(lambda error: error.category.value not in ("INTERNAL",)))
def test_the_servers_own_error_is_raised_as_it_was(
    server: ScriptedServer, client: SpineClient, error: SpineError
) -> None:
    if error.category in (Category.TRANSIENT, Category.DEPENDENCY):
        error.category = Category.LOAD  # what is away is asked for again, which takes time
    whole = any(packed.Is(error_pb2.Error.DESCRIPTOR) for packed in status_of(error).details)
    server.answers[GET] = lambda _, context: fail(context, error)

    found = raised(client)

    assert found.category is error.category
    if whole:
        assert found.to_dict() == error.to_dict()
        assert type(found) is type(error)


def test_an_error_that_does_not_fit_is_rebuilt_from_what_does(
    server: ScriptedServer, client: SpineClient
) -> None:
    large = ValidationError(
        "there is no run r1",
        hint="list them",
        retry_after=1.5,
        retryable=True,
        metadata={"resource": "runs/r1", "field": "name", "lines": ["x" * 100] * 100},
    )
    server.answers[GET] = lambda _, context: fail(context, large)

    found = raised(client)

    assert type(found) is ValidationError
    assert (found.message, found.hint) == (large.message, large.hint)
    assert (found.retryable, found.retry_after) == (True, 1.5)
    assert found.context.metadata == {"resource": "runs/r1", "field": "name"}


def test_an_internal_error_tells_under_what_the_servers_log_has_it(
    server: ScriptedServer, client: SpineClient
) -> None:
    server.answers[GET] = ending(internal_status("c0ffee"))

    found = raised(client)

    assert found.category is Category.INTERNAL
    assert not found.retryable
    assert "c0ffee" in found.message
    assert found.context.metadata["correlation_id"] == "c0ffee"


@pytest.mark.parametrize(
    ("code", "category", "retryable"),
    [
        ("DEADLINE_EXCEEDED", "TIMEOUT", True),
        ("UNAUTHENTICATED", "PERMISSION", False),
        ("PERMISSION_DENIED", "PERMISSION", False),
        ("RESOURCE_EXHAUSTED", "RATE_LIMIT", True),
        ("INVALID_ARGUMENT", "VALIDATION", False),
        ("NOT_FOUND", "VALIDATION", False),
        ("FAILED_PRECONDITION", "CONFIGURATION", False),
        ("UNIMPLEMENTED", "CONFIGURATION", False),
        ("ABORTED", "TRANSIENT", True),
        ("CANCELLED", "TRANSIENT", False),
        ("UNKNOWN", "INTERNAL", False),
        ("INTERNAL", "INTERNAL", False),
        ("DATA_LOSS", "INTERNAL", False),
    ],
)
def test_a_status_without_details_is_told_by_its_code(
    server: ScriptedServer, client: SpineClient, code: str, category: str, retryable: bool
) -> None:
    server.answers[GET] = lambda _, context: context.abort(grpc.StatusCode[code], "it says no")

    found = raised(client)

    assert (found.category.value, found.retryable) == (category, retryable)
    assert code in found.message
    assert "it says no" in found.message
    assert server.address in found.message


def test_details_of_somebody_else_are_not_taken_for_the_servers(
    server: ScriptedServer, client: SpineClient
) -> None:
    status = status_pb2.Status(code=8, message="a proxy is busy")
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(reason="VALIDATION", domain="proxy.example")
    )
    server.answers[GET] = ending(status)

    found = raised(client)

    assert found.category is Category.RATE_LIMIT
    assert "a proxy is busy" in found.message


def test_details_that_contradict_the_status_are_not_believed(
    server: ScriptedServer, client: SpineClient
) -> None:
    def answer(_: Any, context: grpc.ServicerContext) -> None:
        status = status_pb2.Status(code=3, message="something else")
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you")

    server.answers[GET] = answer

    found = raised(client)

    assert found.category is Category.PERMISSION
    assert "not you" in found.message


def test_without_a_server_it_says_how_to_start_one() -> None:
    with SpineClient("127.0.0.1:1") as client, pytest.raises(SpineError) as caught:
        client.runs.get("r1")

    assert caught.value.category is Category.DEPENDENCY
    assert caught.value.retryable
    assert "no server answers at 127.0.0.1:1" in caught.value.message
    assert "spine serve" in str(caught.value.hint)


def test_an_answer_that_is_too_large_is_no_reason_to_ask_again(
    server: ScriptedServer, client: SpineClient
) -> None:
    answer = run_service_pb2.GetRunResponse()
    answer.run.warnings.append("x" * (65 * 1024 * 1024))
    server.answers[GET] = lambda *_: answer

    found = raised(client)

    assert found.category is Category.RESOURCE
    assert not found.retryable


def test_an_answer_of_sixty_mebibytes_is_taken(server: ScriptedServer, client: SpineClient) -> None:
    answer = run_service_pb2.GetRunResponse()
    answer.run.name, answer.run.trigger = "runs/r1", "TRIGGER_REQUEST"  # type: ignore[assignment]
    answer.run.state = "STATE_PENDING"  # type: ignore[assignment]
    answer.run.create_time.seconds = 1
    answer.run.warnings.append("x" * (60 * 1024 * 1024))
    server.answers[GET] = lambda *_: answer

    assert len(client.runs.get("r1").warnings[0]) == 60 * 1024 * 1024
