"""The one family of errors that every layer speaks.

    SpineError                 anything that went wrong, with category and context
    ├── SourceError            a source could not be reached, read or understood
    ├── TransformError         a calculation or a pipeline function failed
    ├── LoadError              a store refused what was written to it
    │   ├── ConflictError      a store ended a unit of work for another one's sake: do it again
    │   └── LeaseLostError     another process took the run over: nothing of this one was kept
    ├── ValidationError        input (parameter, file, row set) is not what was declared
    └── ConfigurationError     settings, registrations or wiring are wrong

An error is a value: it travels from source to run history to gRPC status to alert
without losing anything, see :meth:`SpineError.to_dict` and :meth:`SpineError.from_dict`.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from .redaction import redact, redact_mapping


class Category(StrEnum):
    """What kind of failure it is; decides who acts and whether a repeat can help."""

    INTERNAL = "INTERNAL"
    CONFIGURATION = "CONFIGURATION"
    VALIDATION = "VALIDATION"
    SOURCE = "SOURCE"
    TRANSFORM = "TRANSFORM"
    LOAD = "LOAD"
    TRANSIENT = "TRANSIENT"
    DEPENDENCY = "DEPENDENCY"
    TIMEOUT = "TIMEOUT"
    RATE_LIMIT = "RATE_LIMIT"
    PERMISSION = "PERMISSION"
    RESOURCE = "RESOURCE"

    @property
    def retryable(self) -> bool:
        """Whether a repeat without any change may succeed, unless the error says otherwise."""
        return self in _RETRYABLE


_RETRYABLE = frozenset(
    {Category.TRANSIENT, Category.DEPENDENCY, Category.TIMEOUT, Category.RATE_LIMIT}
)


@dataclass(frozen=True, slots=True)
class ErrorContext:
    """Where it happened. ``metadata`` holds plain JSON values only."""

    run: str | None = None
    pipeline: str | None = None
    step: str | None = None
    partition: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def merged(self, outer: ErrorContext) -> ErrorContext:
        """This context, with what it leaves open filled in from ``outer``."""
        return ErrorContext(
            run=self.run or outer.run,
            pipeline=self.pipeline or outer.pipeline,
            step=self.step or outer.step,
            partition=self.partition or outer.partition,
            metadata={**outer.metadata, **self.metadata},
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "pipeline": self.pipeline,
            "step": self.step,
            "partition": self.partition,
            "metadata": dict(self.metadata),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ErrorContext:
        return cls(
            run=data.get("run"),
            pipeline=data.get("pipeline"),
            step=data.get("step"),
            partition=data.get("partition"),
            metadata=dict(data.get("metadata") or {}),
        )


@dataclass(frozen=True, slots=True)
class ForeignCause:
    """An exception of somebody else's, kept by type and text so that it survives a round trip."""

    type: str
    message: str

    @classmethod
    def of(cls, error: BaseException) -> ForeignCause:
        kind = type(error)
        return cls(f"{kind.__module__}.{kind.__qualname__}", redact(str(error)))


class SpineError(Exception):
    """Something went wrong, said in one sentence, with all that the next reader needs.

    ``message`` says what happened and to what; ``hint`` what to do next. ``retryable`` defaults
    to the category's nature, ``retry_after`` is in seconds. ``cause`` is another SpineError or
    any exception. Secrets in message, hint and metadata are masked on construction.
    """

    default_category = Category.INTERNAL

    def __init__(
        self,
        message: str,
        *,
        category: Category | None = None,
        hint: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        context: ErrorContext | None = None,
        cause: BaseException | ForeignCause | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = redact(message)
        self.category = category or self.default_category
        self.hint = redact(hint) if hint else None
        self.retryable = self.category.retryable if retryable is None else retryable
        self.retry_after = retry_after
        context = context or ErrorContext()
        merged = {**context.metadata, **(metadata or {})}
        self.context = replace(context, metadata=redact_mapping(merged))
        self.cause: SpineError | ForeignCause | None = _as_cause(cause)
        if isinstance(cause, BaseException):
            self.__cause__ = cause

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.category.value}: {self.message!r})"

    def within(self, context: ErrorContext) -> Self:
        """The same error, its context completed from the place that caught it."""
        self.context = self.context.merged(context)
        return self

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form from which :meth:`from_dict` restores an equal error."""
        return {
            "type": type(self).__name__,
            "category": self.category.value,
            "message": self.message,
            "hint": self.hint,
            "retryable": self.retryable,
            "retry_after": self.retry_after,
            "context": self.context.to_dict(),
            "cause": _cause_dict(self.cause),
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> SpineError:
        """Restore what :meth:`to_dict` wrote.

        A type that is not known in this process becomes the one that stands for its category.
        """
        kind = _type_named(str(data.get("type")), Category(data["category"]))
        cause = data.get("cause")
        return kind(
            str(data["message"]),
            category=Category(data["category"]),
            hint=data.get("hint"),
            retryable=data.get("retryable"),
            retry_after=data.get("retry_after"),
            context=ErrorContext.from_dict(data.get("context") or {}),
            cause=_cause_from_dict(cause) if cause else None,
        )


class SourceError(SpineError):
    """A source could not be reached, read or understood."""

    default_category = Category.SOURCE


class TransformError(SpineError):
    """A calculation, or the code of a pipeline, failed."""

    default_category = Category.TRANSFORM


class LoadError(SpineError):
    """A store refused what was written to it."""

    default_category = Category.LOAD


class ConflictError(LoadError):
    """A store ended a unit of work, of which nothing was kept, in favour of another one.

    Raised for deadlocks and the like. The same work, done again as a whole, may succeed.
    """

    default_category = Category.TRANSIENT


class LeaseLostError(LoadError):
    """A run was taken over, or closed, by another process; what this one did was not kept.

    Not retryable: the run is in other hands.
    """


class ValidationError(SpineError):
    """A parameter, a file or a set of rows is not what was declared."""

    default_category = Category.VALIDATION


class ConfigurationError(SpineError):
    """Settings, registrations or wiring are wrong; nothing was started."""

    default_category = Category.CONFIGURATION


_TYPES: dict[str, type[SpineError]] = {
    kind.__name__: kind
    for kind in (
        SpineError,
        SourceError,
        TransformError,
        LoadError,
        ConflictError,
        LeaseLostError,
        ValidationError,
        ConfigurationError,
    )
}


_FULL = (errno.ENOSPC, errno.EDQUOT)


def _type_named(name: str, category: Category) -> type[SpineError]:
    """The class of that name: one of ours, or a subclass that somebody has declared."""
    if name in _TYPES:
        return _TYPES[name]
    heirs = [heir for kind in _TYPES.values() for heir in kind.__subclasses__()]
    while heirs:
        heir = heirs.pop()
        if heir.__name__ == name:
            return heir
        heirs.extend(heir.__subclasses__())
    return next((kind for kind in _TYPES.values() if kind.default_category is category), SpineError)


def as_spine_error(error: BaseException, *, doing: str) -> SpineError:
    """``error`` itself when it is typed already, else an INTERNAL error that names the work."""
    if isinstance(error, SpineError):
        return error
    if isinstance(error, MemoryError):
        return SpineError(
            f"{doing} ran out of memory",
            category=Category.RESOURCE,
            hint="process fewer rows at a time or give the process more memory",
            cause=error,
        )
    if isinstance(error, OSError) and error.errno in _FULL:
        return SpineError(
            f"{doing} found the disk full",
            category=Category.RESOURCE,
            hint="free some space, then do it again",
            cause=error,
        )
    return SpineError(
        f"{doing} failed unexpectedly: {type(error).__name__}: {error}",
        hint="this is a defect in the code that ran; the log has the traceback",
        cause=error,
    )


def _as_cause(cause: BaseException | ForeignCause | None) -> SpineError | ForeignCause | None:
    if cause is None or isinstance(cause, SpineError | ForeignCause):
        return cause
    return ForeignCause.of(cause)


def _cause_dict(cause: SpineError | ForeignCause | None) -> dict[str, Any] | None:
    if cause is None:
        return None
    if isinstance(cause, SpineError):
        return cause.to_dict()
    return {"type": cause.type, "message": cause.message}


def _cause_from_dict(data: Mapping[str, Any]) -> SpineError | ForeignCause:
    if "category" in data:
        return SpineError.from_dict(data)
    return ForeignCause(str(data["type"]), str(data["message"]))
