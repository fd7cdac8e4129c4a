"""Errors as messages, with all their causes."""

from __future__ import annotations

from ....domain.errors import ErrorContext, ForeignCause, SpineError
from ....v1 import error_pb2
from .values import duration_message, value_map

_DEEPEST_CAUSE = 16  # readers of Protocol Buffers refuse messages that are nested 100 deep


def error_message(error: SpineError, depth: int = 0) -> error_pb2.Error:
    """The message for an error with all its causes."""
    message = error_pb2.Error(
        type=type(error).__name__,
        category=f"ERROR_CATEGORY_{error.category.value}",
        message=error.message,
        hint=error.hint,
        retryable=error.retryable,
        retry_after=duration_message(error.retry_after),
        context=_context_message(error.context),
    )
    cause = error.cause
    if isinstance(cause, SpineError) and depth >= _DEEPEST_CAUSE:
        cause = ForeignCause(type(cause).__name__, cause.message)
    if isinstance(cause, SpineError):
        message.error_cause.CopyFrom(error_message(cause, depth + 1))
    elif cause is not None:
        message.foreign_cause.type = cause.type
        message.foreign_cause.message = cause.message
    return message


def _context_message(context: ErrorContext) -> error_pb2.ErrorContext:
    return error_pb2.ErrorContext(
        run=context.run,
        pipeline=context.pipeline,
        step=context.step,
        partition=context.partition,
        metadata=value_map(context.metadata),
    )
