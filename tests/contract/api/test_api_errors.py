"""What holds for every method: what is no message, too large, late, or unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from api_calls import METHODS, SEEN, WAIT, Api, Refusal, message_of, path_of
from api_claims import covers
from api_data import DOMAIN
from api_runs import running, submit
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

Needs = Callable[..., None]
MEBIBYTE = 1024 * 1024


def raw(api: Api, method: str, *messages: bytes, timeout: float = WAIT) -> Refusal | list[bytes]:
    """How the method answers to bytes, whatever they are."""
    kind = METHODS[method]
    answers = "stream" if kind.server_streaming else "unary"
    asks = "stream" if kind.client_streaming else "unary"
    call = getattr(api.channel, f"{asks}_{answers}")(path_of(method))
    given: Any = iter(messages) if kind.client_streaming else messages[0]
    try:
        answer = call(given, timeout=timeout, metadata=api.metadata("admin"))
        found = list(answer) if kind.server_streaming else [answer]
    except grpc.RpcError as error:
        refused = Refusal.of(error)
        SEEN.note(method, refused.code)
        return refused
    SEEN.note(method, "OK")
    return found


@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=covers(name, "INVALID_ARGUMENT")) for name in METHODS]
)
def test_bytes_that_are_no_message_are_invalid(api: Api, method: str) -> None:
    kinds = {field.number: field.type for field in METHODS[method].input_type.fields}
    garbage_of_all = [b"\x0a\xff", b"\xff", b"\x07", b"\x08", b"\x0a\x05ab"]
    if kinds.get(1) == FieldDescriptor.TYPE_STRING:
        garbage_of_all.append(b"\x0a\x01\xff")  # no UTF-8
    for garbage in garbage_of_all:
        refused = raw(api, method, garbage)
        assert isinstance(refused, Refusal), (garbage, refused)
        assert refused.code == "INVALID_ARGUMENT", (garbage, refused)
        assert "Wire" not in refused.text
        assert "Traceback" not in refused.text


@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=covers(name, "RESOURCE_EXHAUSTED")) for name in METHODS]
)
def test_a_request_over_a_mebibyte_is_refused(api: Api, method: str) -> None:
    # A field that no request has, and no reader may stumble over.
    body = b"x" * (MEBIBYTE + 1)
    length = bytes([len(body) & 0x7F | 0x80, len(body) >> 7 & 0x7F | 0x80, len(body) >> 14])
    refused = raw(api, method, b"\xfa\x7f" + length + body)

    assert isinstance(refused, Refusal)
    assert refused.code == "RESOURCE_EXHAUSTED", refused


def test_fields_that_are_not_known_are_passed_over(api: Api) -> None:
    """A client of a later version may say more."""
    answer = raw(api, "SystemService.GetVersion", b"\xfa\x7f\x01x\xf0\x7f\x05")

    assert isinstance(answer, list), answer


@pytest.mark.parametrize(
    "path",
    [
        "/market_spine.v1.RunService/Forget",
        "/market_spine.v1.NoService/GetRun",
        "/market_spine.v1.RunService/getrun",
        "/market_spine.v1.RunService/",
        "/market_spine.v2.RunService/GetRun",
        "/",
        "/RunService/GetRun",
    ],
)
def test_a_method_that_there_is_not_is_unimplemented(api: Api, path: str) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        api.channel.unary_unary(path)(b"", timeout=WAIT, metadata=api.metadata("admin"))

    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED  # type: ignore[attr-defined]


@covers("RunService.WatchRun", "DEADLINE_EXCEEDED")
def test_a_call_past_its_deadline_ends_and_harms_nobody(api: Api, needs: Needs) -> None:
    needs("contract.patient")
    run = running(api, submit(api, "contract.patient").name)

    refused = api.refusal("RunService.WatchRun", name=run.name, timeout=0.5)

    assert refused.code == "DEADLINE_EXCEEDED"
    api.call("RunService.CancelRun", name=run.name)
    assert api.call("SystemService.GetVersion").api == "v1"


def test_a_call_that_is_cancelled_harms_nobody(api: Api) -> None:
    for _ in range(50):
        call = api.raw("DatasetService.ListCaptures").future(
            message_of("DatasetService.ListCaptures")(),
            timeout=WAIT,
            metadata=api.metadata("viewer"),
        )
        call.cancel()
    assert api.call("SystemService.GetVersion").api == "v1"


def test_every_refusal_says_where_it_comes_from(api: Api) -> None:
    refused = api.refusal("RunService.GetRun", name="runs/nothing")

    assert set(refused.details) == {"ErrorInfo", "ResourceInfo", "Error"}
    info = refused.details["ErrorInfo"]
    assert (info.domain, info.reason) == ("market_spine", "VALIDATION")
    assert info.metadata["retryable"] == "false"
    error = refused.details["Error"]
    assert (error.message, error.hint) == (refused.text, info.metadata["hint"])


def test_a_refusal_fits_whatever_was_asked_for(api: Api) -> None:
    """A status travels in the trailers, of which a client takes 8 KiB."""
    for text in ("x" * 100_000, "ä" * 100_000, "\u202e" * 1000, '"\\' * 1000, "\n\t\x7f" * 1000):
        for method, fields in [
            ("RunService.GetRun", {"name": text}),
            ("RunService.ListRuns", {"filter": text[:1990]}),
            ("RunService.ListRuns", {"order_by": text}),
            ("RunService.SubmitRun", {"pipeline": text}),
            ("DatasetService.Query", {"dataset": text}),
            ("DatasetService.Query", {"dataset": f"datasets/{DOMAIN}.venue_share",
                                      "columns": [text]}),
            ("DatasetService.Query", {"dataset": f"datasets/{DOMAIN}.venue_share",
                                      "equals": {"rank": text}}),
        ]:  # fmt: skip
            refused = api.refusal(method, **fields)
            assert refused.code == "INVALID_ARGUMENT", (method, text[:10], refused)
            assert len(refused.text.encode()) < 1000


SERVICES = [
    "",
    "grpc.health.v1.Health",
    "grpc.reflection.v1alpha.ServerReflection",
    *sorted({method.containing_service.full_name for method in METHODS.values()}),
]


def test_every_service_is_serving(api: Api) -> None:
    health = health_pb2_grpc.HealthStub(api.channel)
    for service in SERVICES:
        answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=WAIT)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING, service
    with pytest.raises(grpc.RpcError) as raised:
        health.Check(health_pb2.HealthCheckRequest(service="market_spine.v1.No"), timeout=WAIT)
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND  # type: ignore[attr-defined]
    watch = health.Watch(health_pb2.HealthCheckRequest(service="nothing"), timeout=WAIT)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    assert watch.is_active()
    watch.cancel()


def test_reflection_tells_everything_a_client_needs(api: Api) -> None:
    if api.tokens:
        pytest.skip("the library that reads reflection sends no credentials")
    database = ProtoReflectionDescriptorDatabase(api.channel)
    pool = DescriptorPool(database)

    assert sorted(database.get_services()) == sorted(SERVICES[1:])
    for method in METHODS.values():
        service = pool.FindServiceByName(method.containing_service.full_name)
        found = service.methods_by_name[method.name]
        assert found.input_type.full_name == method.input_type.full_name
        assert [item.name for item in found.output_type.fields] == [
            item.name for item in method.output_type.fields
        ]
