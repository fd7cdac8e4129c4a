"""Domain objects as messages of the API, without losing anything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from google.protobuf import duration_pb2, struct_pb2, timestamp_pb2

from ....domain.errors import ErrorContext, ForeignCause, SpineError
from ....domain.redaction import redact_mapping
from ....domain.runs import Run
from ....v1 import error_pb2, run_pb2, value_pb2
from .resource_names import run_name

_INT64 = range(-(2**63), 2**63)
_EXACT_AS_DOUBLE = range(-(2**53), 2**53 + 1)
_LONGEST_DURATION = 315_576_000_000  # seconds: what google.protobuf.Duration allows
_DEEPEST_CAUSE = 16  # readers of Protocol Buffers refuse messages that are nested 100 deep


def run_message(run: Run) -> run_pb2.Run:
    """The resource for a run. Parameters are masked once more: they were given by people."""
    return run_pb2.Run(
        name=run_name(run.id),
        pipeline=run.pipeline,
        parameters=_struct(redact_mapping(run.parameters)),
        state=f"STATE_{run.state.value}",
        create_time=_timestamp(run.created_at),
        start_time=_timestamp(run.started_at),
        end_time=_timestamp(run.finished_at),
        duration=duration_message(run.duration),
        parent_run=run_name(run.parent) if run.parent else "",
        step=run.step or "",
        owner=run.owner or "",
        metrics={name: value_message(value) for name, value in run.metrics.items()},
        warnings=run.warnings,
        error=error_message(run.error) if run.error else None,
    )


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


def value_message(value: Any) -> value_pb2.Value:
    """One JSON value; anything else is taken by its text."""
    match value:
        case None:
            return value_pb2.Value(null_value="NULL_VALUE")
        case bool():
            return value_pb2.Value(bool_value=value)
        case int() if value in _INT64:
            return value_pb2.Value(int64_value=value)
        case float():
            return value_pb2.Value(double_value=value)
        case Mapping():
            return value_pb2.Value(map_value=value_pb2.ValueMap(values=_value_map(value)))
        case list() | tuple():
            values = [value_message(item) for item in value]
            return value_pb2.Value(list_value=value_pb2.ValueList(values=values))
        case _:
            return value_pb2.Value(string_value=str(value))


def duration_message(seconds: float | None) -> duration_pb2.Duration | None:
    """Seconds to the nanosecond, within what a Duration can say; None for NaN."""
    if seconds is None or math.isnan(seconds):
        return None
    held = max(-_LONGEST_DURATION, min(_LONGEST_DURATION, seconds))
    whole = math.trunc(held)
    message = duration_pb2.Duration()
    message.FromNanoseconds(whole * 1_000_000_000 + round((held - whole) * 1e9))
    return message


def _value_map(values: Mapping[str, Any]) -> dict[str, value_pb2.Value]:
    return {str(name): value_message(item) for name, item in values.items()}


def _context_message(context: ErrorContext) -> error_pb2.ErrorContext:
    return error_pb2.ErrorContext(
        run=context.run,
        pipeline=context.pipeline,
        step=context.step,
        partition=context.partition,
        metadata=_value_map(context.metadata),
    )


def _timestamp(moment: datetime | None) -> timestamp_pb2.Timestamp | None:
    if moment is None:
        return None
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(moment)
    return message


def _struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    message = struct_pb2.Struct()
    message.update({str(name): _for_struct(value) for name, value in values.items()})
    return message


def _for_struct(value: Any) -> Any:
    match value:
        case None | bool():
            return value
        case int() if value in _EXACT_AS_DOUBLE:
            return value
        case float() if math.isfinite(value):
            return value
        case Mapping():
            return {str(name): _for_struct(item) for name, item in value.items()}
        case list() | tuple():
            return [_for_struct(item) for item in value]
        case _:
            return str(value)
