"""Every documented error, as a client sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from api_process import WAIT, ApiProcess
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from market_spine.domain.errors import Category
from market_spine.v1 import error_pb2, run_pb2
from market_spine.v1.run_service_pb2 import GetRunRequest, ListRunsRequest

CODES = {
    "CONFIGURATION": "FAILED_PRECONDITION",
    "VALIDATION": "INVALID_ARGUMENT",
    "SOURCE": "FAILED_PRECONDITION",
    "TRANSFORM": "FAILED_PRECONDITION",
    "LOAD": "FAILED_PRECONDITION",
    "TRANSIENT": "UNAVAILABLE",
    "DEPENDENCY": "UNAVAILABLE",
    "TIMEOUT": "DEADLINE_EXCEEDED",
    "RATE_LIMIT": "RESOURCE_EXHAUSTED",
    "PERMISSION": "PERMISSION_DENIED",
    "RESOURCE": "RESOURCE_EXHAUSTED",
}


def failure(call: Callable[[], object]) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return raised.value


def details(error: Any) -> dict[str, Any]:
    """The details of a status by the name of their type."""
    status = rpc_status.from_call(error)
    assert status is not None, f"no details in {error}"
    known = (
        error_details_pb2.ErrorInfo,
        error_details_pb2.BadRequest,
        error_details_pb2.ResourceInfo,
        error_details_pb2.RetryInfo,
        error_pb2.Error,
    )
    found = {}
    for packed in status.details:
        [kind] = [kind for kind in known if packed.Is(kind.DESCRIPTOR)]
        message = kind()
        packed.Unpack(message)
        found[kind.DESCRIPTOR.name] = message
    return found


def get(api: ApiProcess, name: str) -> Any:
    return failure(lambda: api.runs.GetRun(GetRunRequest(name=name), timeout=WAIT))


def listing(api: ApiProcess, **fields: Any) -> Any:
    return failure(lambda: api.runs.ListRuns(ListRunsRequest(**fields), timeout=WAIT))


def test_a_run_that_is_there_is_answered(api: ApiProcess) -> None:
    run = api.runs.GetRun(GetRunRequest(name="runs/00000002"), timeout=WAIT).run

    assert (run.name, run.pipeline) == ("runs/00000002", "demo.load")
    assert run.state == run_pb2.Run.STATE_SUCCEEDED


def test_a_run_that_is_not_there_is_not_found(api: ApiProcess) -> None:
    error = get(api, "runs/00000099")

    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert "00000099" in error.details()
    assert details(error)["ResourceInfo"].resource_name == "runs/00000099"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "runs",
        "runs/",
        "run/1",
        "/runs/1",
        "runs/1/",
        "runs/1/steps/2",
        "Runs/1",
        " runs/1",
        "runs/1\n",
        "runs/ä",
        "runs/a b",
        "runs/\x00",
        "runs/" + "1" * 129,
        "x" * 100_000,
    ],
)
def test_a_name_of_another_form_is_invalid(api: ApiProcess, name: str) -> None:
    error = get(api, name)

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details(error)["BadRequest"].field_violations[0].field == "name"
    assert 'runs/"' in details(error)["ErrorInfo"].metadata["hint"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"page_size": -1}, "page_size"),
        ({"page_size": -(2**31)}, "page_size"),
        ({"page_token": "AAAA"}, "page_token"),
        ({"page_token": "!"}, "page_token"),
        ({"page_token": "ü"}, "page_token"),
        ({"page_token": "A" * 10_000}, "page_token"),
        ({"state": 7}, "state"),
        ({"state": -1}, "state"),
        ({"state": 2**31 - 1}, "state"),
        ({"parent_run": "00000001"}, "parent_run"),
        ({"parent_run": "runs/"}, "parent_run"),
        ({"parent_run": "runs/1", "top_level_only": True}, "top_level_only"),
        ({"pipeline": "a\x00b"}, "pipeline"),
        ({"pipeline": "x" * 201}, "pipeline"),
    ],
)
def test_a_bad_field_of_a_listing_is_named(
    api: ApiProcess, fields: dict[str, Any], field: str
) -> None:
    error = listing(api, **fields)

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details(error)["BadRequest"].field_violations[0].field == field
    assert details(error)["ErrorInfo"].reason == "VALIDATION"


@pytest.mark.parametrize("category", [one for one in Category if one is not Category.INTERNAL])
def test_a_typed_error_arrives_with_its_code_and_all_it_says(
    api: ApiProcess, category: Category
) -> None:
    error = get(api, f"runs/fail-{category.value}")

    assert error.code().name == CODES[category.value]
    assert error.details() == f"asked for {category.value}"
    found = details(error)
    assert found["ErrorInfo"].reason == category.value
    assert found["ErrorInfo"].domain == "market_spine"
    assert found["ErrorInfo"].metadata["hint"] == "ask less"
    assert found["RetryInfo"].retry_delay.ToNanoseconds() == 2_500_000_000
    assert found["Error"].message == f"asked for {category.value}"
    assert found["Error"].retryable is category.retryable


@pytest.mark.parametrize(
    ("trigger", "hidden"),
    [("crash", "the inner workings"), ("fail-INTERNAL", "asked for INTERNAL")],
)
def test_an_unexpected_error_tells_a_correlation_id_only(
    api: ApiProcess, trigger: str, hidden: str
) -> None:
    error = get(api, f"runs/{trigger}")

    assert error.code() is grpc.StatusCode.INTERNAL
    found = details(error)
    correlation = found["ErrorInfo"].metadata["correlation_id"]
    assert set(found) == {"ErrorInfo"}
    assert set(found["ErrorInfo"].metadata) == {"correlation_id"}
    assert hidden not in str(rpc_status.from_call(error))
    assert "Error" not in error.details().replace(correlation, "")
    logged = api.log[api.log.index(correlation) :]
    assert hidden in logged
    assert "Traceback" in logged


@pytest.mark.parametrize("method", ["GetRun", "ListRuns"])
def test_bytes_that_are_no_message_are_invalid(api: ApiProcess, method: str) -> None:
    call = api.channel.unary_unary(f"/market_spine.v1.RunService/{method}")

    error: Any = failure(lambda: call(b"\x0a\xff", timeout=WAIT))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "Wire" not in error.details()


def test_bytes_that_are_no_message_in_a_stream_are_invalid(api: ApiProcess) -> None:
    call = api.channel.stream_stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    )

    error: Any = failure(lambda: list(call(iter([b"\xff"]), timeout=WAIT)))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_request_over_a_mebibyte_is_refused(api: ApiProcess) -> None:
    assert get(api, "x" * 1_100_000).code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_an_unknown_method_is_unimplemented(api: ApiProcess) -> None:
    call = api.channel.unary_unary("/market_spine.v1.RunService/Forget")

    error: Any = failure(lambda: call(b"", timeout=WAIT))

    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
