"""The interceptor holds for methods of every kind, with or without streams."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from market_spine.adapters.inbound.grpc.error_interceptor import ErrorInterceptor
from market_spine.domain.errors import Category, SpineError

KINDS = ["unary_unary", "unary_stream", "stream_unary", "stream_stream"]
WAIT = 10.0
FAILURES = {
    b"typed": SpineError("the store is away", category=Category.DEPENDENCY),
    b"untyped": ValueError("the inner workings, password=hunter2"),
    b"defect": SpineError("the inner workings, password=hunter2"),
}


def told(caplog: pytest.LogCaptureFixture, level: int) -> list[logging.LogRecord]:
    """What our own code logged: grpc.aio complains to asyncio when a test's loop has closed."""
    return [
        one
        for one in caplog.records
        if one.levelno >= level and one.name.startswith("market_spine.")
    ]


async def behave(request: bytes, context: Any) -> bytes:
    if request in FAILURES:
        raise FAILURES[request]
    if request == b"own status":
        await context.abort(grpc.StatusCode.OUT_OF_RANGE, "as the method says")
    if request == b"wait":
        await asyncio.Event().wait()
    return b"answer"


async def first(requests: AsyncIterator[bytes]) -> bytes:
    return await anext(requests)


class Service:
    """One method of each kind: fails as its first request says, streams after one answer."""

    async def unary_unary(self, request: bytes, context: Any) -> bytes:
        return await behave(request, context)

    async def unary_stream(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        yield b"before"
        yield await behave(request, context)

    async def stream_unary(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        return await behave(await first(requests), context)

    async def stream_stream(
        self, requests: AsyncIterator[bytes], context: Any
    ) -> AsyncIterator[bytes]:
        yield b"before"
        yield await behave(await first(requests), context)


async def call(kind: str, request: bytes, timeout: float = WAIT) -> list[bytes]:
    """What the method answers; raises as the call ends."""
    server = grpc.aio.server(interceptors=(ErrorInterceptor(),))
    handlers = {
        name: getattr(grpc, f"{name}_rpc_method_handler")(getattr(Service(), name))
        for name in KINDS
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            method = getattr(channel, kind)(f"/test/{kind}")
            sent = iter([request]) if kind.startswith("stream") else request
            answer = method(sent, timeout=timeout)
            if kind.endswith("unary"):
                return [await answer]
            return [message async for message in answer]
    finally:
        await server.stop(None)


def failure(kind: str, request: bytes, timeout: float = WAIT) -> Any:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        asyncio.run(call(kind, request, timeout))
    return raised.value


@pytest.mark.parametrize("kind", KINDS)
def test_a_method_that_does_not_fail_is_left_alone(kind: str) -> None:
    assert asyncio.run(call(kind, b"fine"))[-1] == b"answer"


@pytest.mark.parametrize("kind", KINDS)
def test_a_typed_error_becomes_its_status(kind: str) -> None:
    error = failure(kind, b"typed")

    assert (error.code().name, error.details()) == ("UNAVAILABLE", "the store is away")


@pytest.mark.parametrize("request_", [b"untyped", b"defect"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_defect_is_told_to_the_log_alone(
    kind: str, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    error = failure(kind, request_)

    assert error.code() is grpc.StatusCode.INTERNAL
    assert "inner workings" not in repr(error) + str(error.trailing_metadata())
    [record] = told(caplog, logging.ERROR)
    assert "inner workings" in record.getMessage()
    assert "hunter2" not in record.getMessage()
    correlation_id = error.details().rpartition(" ")[2]
    assert f"/test/{kind} failed, correlation id {correlation_id}" in record.getMessage()


@pytest.mark.parametrize("kind", KINDS)
def test_a_status_that_the_method_set_is_kept(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    error = failure(kind, b"own status")

    assert (error.code().name, error.details()) == ("OUT_OF_RANGE", "as the method says")
    assert told(caplog, logging.DEBUG) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_given_up_by_its_client_is_no_error(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    error = failure(kind, b"wait", timeout=0.2)

    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert told(caplog, logging.WARNING) == []
