"""Errors as google.rpc.Status: one table of codes, and details that a program can read."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
from google.protobuf.message import Message
from google.rpc import (  # type: ignore[import-untyped]  # ships no py.typed
    error_details_pb2,
    status_pb2,
)

from ....domain.errors import Category, SpineError
from .messages_errors import error_message
from .values import duration_message

DOMAIN = "market_spine"

CODES: dict[Category, grpc.StatusCode] = {
    Category.INTERNAL: grpc.StatusCode.INTERNAL,
    Category.CONFIGURATION: grpc.StatusCode.FAILED_PRECONDITION,
    Category.VALIDATION: grpc.StatusCode.INVALID_ARGUMENT,
    Category.SOURCE: grpc.StatusCode.FAILED_PRECONDITION,
    Category.TRANSFORM: grpc.StatusCode.FAILED_PRECONDITION,
    Category.LOAD: grpc.StatusCode.FAILED_PRECONDITION,
    Category.TRANSIENT: grpc.StatusCode.UNAVAILABLE,
    Category.DEPENDENCY: grpc.StatusCode.UNAVAILABLE,
    Category.TIMEOUT: grpc.StatusCode.DEADLINE_EXCEEDED,
    Category.RATE_LIMIT: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Category.PERMISSION: grpc.StatusCode.PERMISSION_DENIED,
    Category.RESOURCE: grpc.StatusCode.RESOURCE_EXHAUSTED,
}

_MARKS = (
    (Category.VALIDATION, "resource", grpc.StatusCode.NOT_FOUND),
    (Category.VALIDATION, "already_exists", grpc.StatusCode.ALREADY_EXISTS),
    (Category.PERMISSION, "unauthenticated", grpc.StatusCode.UNAUTHENTICATED),
)

# A status travels in the trailers, of which a client accepts 8 KiB. The message stands there twice
# (percent-encoded: up to three times its size), the details in base64.
_MESSAGE_BYTES = 600
_DETAILS_BYTES = 3_000
_TEXT_BYTES = 300


def code_of(error: SpineError) -> grpc.StatusCode:
    """The status code for an error.

    Its metadata may say more: a ``resource`` is absent, something ``already_exists``, the caller is
    ``unauthenticated``.
    """
    metadata = error.context.metadata
    for category, mark, code in _MARKS:
        if error.category is category and mark in metadata:
            return code
    return CODES[error.category]


def status_of(error: SpineError) -> status_pb2.Status:
    """The status for an error that the caller may know about."""
    message = shortened(error.message, _MESSAGE_BYTES)
    status = status_pb2.Status(code=code_of(error).value[0], message=message)
    for detail in (*_details(error), error_message(error)):
        status.details.add().Pack(detail)
        if status.ByteSize() > _DETAILS_BYTES + _MESSAGE_BYTES:
            del status.details[-1]
    return status


def internal_status(correlation_id: str) -> status_pb2.Status:
    """The status for what the caller must not see: nothing but where to look for it."""
    status = status_pb2.Status(
        code=grpc.StatusCode.INTERNAL.value[0],
        message=f"internal error; the server's log has it under {correlation_id}",
    )
    info = error_details_pb2.ErrorInfo(
        reason=Category.INTERNAL.value,
        domain=DOMAIN,
        metadata={"correlation_id": correlation_id},
    )
    status.details.add().Pack(info)
    return status


def shortened(text: str, limit: int) -> str:
    """``text`` cut to ``limit`` bytes of UTF-8, with an ellipsis where something is missing."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= limit:
        return encoded.decode()
    return encoded[: limit - 3].decode(errors="ignore") + "…"


def _details(error: SpineError) -> Iterator[Message]:
    metadata = {"retryable": "true" if error.retryable else "false"}
    if error.hint:
        metadata["hint"] = shortened(error.hint, _TEXT_BYTES)
    yield error_details_pb2.ErrorInfo(reason=error.category.value, domain=DOMAIN, metadata=metadata)
    if error.retry_after is not None:
        yield error_details_pb2.RetryInfo(retry_delay=duration_message(error.retry_after))
    field = error.context.metadata.get("field")
    if field is not None:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=str(field), description=shortened(error.message, _TEXT_BYTES)
        )
        yield error_details_pb2.BadRequest(field_violations=[violation])
    resource = error.context.metadata.get("resource", error.context.metadata.get("already_exists"))
    if resource is not None:
        yield error_details_pb2.ResourceInfo(
            resource_name=shortened(str(resource), _TEXT_BYTES),
            description=shortened(error.message, _TEXT_BYTES),
        )
