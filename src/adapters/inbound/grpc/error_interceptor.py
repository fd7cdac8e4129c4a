"""The one place where an exception becomes a status, for every method of every service."""

from __future__ import annotations

import inspect
import logging
import traceback
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from ....domain.errors import Category, SpineError, ValidationError
from ....domain.redaction import redact
from .statuses import internal_status, status_of
from .wrapping import Handler, kind_of, rewrapped

_log = logging.getLogger(__name__)


class ErrorInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # no such at run time
    """Ends a call that raised with the status of its error.

    A typed error tells the caller what it says. Anything else, and a typed error of category
    INTERNAL, tells the caller a correlation id only and goes to the log. Cancellation and a status
    that the method has set itself pass through.
    """

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        method = str(handler_call_details.method)
        if method in self._handlers:
            return self._handlers[method]
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        behaviour, read = getattr(handler, kind_of(handler)), handler.request_deserializer
        if read is not None:
            # Reading requests here puts malformed ones under the same rule.
            typed = _typed(read)
            reader = _each(typed) if handler.request_streaming else typed
            behaviour, read = _reading(behaviour, reader), None
        # Only of methods that there are, so that nobody fills memory with names.
        self._handlers[method] = rewrapped(handler, _guarded(behaviour, method), read)
        return self._handlers[method]


def _typed(read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def message(raw: bytes) -> Any:
        try:
            return read(raw)
        except DecodeError as error:
            raise ValidationError(
                "the request is not a message of the type that the method takes",
                hint="build the client from the protos of the server's version",
            ) from error

    return message


def _each(read: Callable[[bytes], Any]) -> Callable[[Any], AsyncIterator[Any]]:
    async def messages(raw: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        async for item in raw:
            yield read(item)

    return messages


def _reading(behaviour: Callable[..., Any], read: Callable[[Any], Any]) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(behaviour):

        async def stream(raw: Any, context: Any) -> AsyncIterator[Any]:
            async for reply in behaviour(read(raw), context):
                yield reply

        return stream

    async def call(raw: Any, context: Any) -> Any:
        return await behaviour(read(raw), context)

    return call


def _guarded(behaviour: Callable[..., Any], method: str) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(behaviour):

        async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
            try:
                async for reply in behaviour(request, context):
                    yield reply
            except Exception as error:  # nothing may reach the caller as it is
                await _abort(error, method, context)

        return stream

    async def call(request: Any, context: Any) -> Any:
        try:
            return await behaviour(request, context)
        except Exception as error:  # nothing may reach the caller as it is
            await _abort(error, method, context)

    return call


async def _abort(error: Exception, method: str, context: Any) -> NoReturn:
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if isinstance(error, SpineError) and error.category is not Category.INTERNAL:
        status = status_of(error)
    else:
        correlation_id = uuid.uuid4().hex
        trace = redact("".join(traceback.format_exception(error)))
        _log.error("%s failed, correlation id %s\n%s", method, correlation_id, trace)
        status = internal_status(correlation_id)
    final = rpc_status.to_status(status)
    await context.abort(final.code, final.details, final.trailing_metadata)
    raise AssertionError("abort raises")
