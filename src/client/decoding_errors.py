"""Errors from their messages: the same types, categories, contexts and causes."""

from __future__ import annotations

from typing import Any

from ..domain.errors import Category, SpineError
from ..v1 import error_pb2
from .decoding_values import optional_word, seconds, values_of


def error_of(message: error_pb2.Error) -> SpineError:
    """The error of a message, with all its causes.

    A category that this version does not know becomes INTERNAL, a type the one that stands for
    its category.
    """
    return SpineError.from_dict(_fields(message))


def _fields(message: error_pb2.Error) -> dict[str, Any]:
    context = message.context
    return {
        "type": message.type,
        "category": (optional_word(Category, message, "category") or Category.INTERNAL).value,
        "message": message.message,
        "hint": _text(message, "hint"),
        "retryable": message.retryable,
        "retry_after": seconds(message, "retry_after"),
        "context": {
            "run": _text(context, "run"),
            "pipeline": _text(context, "pipeline"),
            "step": _text(context, "step"),
            "partition": _text(context, "partition"),
            "metadata": values_of(context.metadata),
        },
        "cause": _cause(message),
    }


def _cause(message: error_pb2.Error) -> dict[str, Any] | None:
    match message.WhichOneof("cause"):
        case "error_cause":
            return _fields(message.error_cause)
        case "foreign_cause":
            foreign = message.foreign_cause
            return {"type": foreign.type, "message": foreign.message}
        case _:
            return None


def _text(message: error_pb2.Error | error_pb2.ErrorContext, field: str) -> str | None:
    found: str | None = getattr(message, field) if message.HasField(field) else None
    return found
