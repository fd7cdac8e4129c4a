"""The one envelope that every pipeline returns and every adapter passes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from .errors import SpineError

Metric = int | float | str | bool | None
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Result(Generic[T]):
    """Success with a value, or failure with a typed error; both with metrics and warnings.

    ``duration`` is in seconds and is set by whoever timed the work. Build it with
    :meth:`success` or :meth:`failure`, never by hand: exactly one of value and error holds.
    """

    value: T | None = None
    error: SpineError | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    duration: float = 0.0

    @classmethod
    def success(
        cls,
        value: T | None = None,
        *,
        metrics: Mapping[str, Metric] | None = None,
        warnings: tuple[str, ...] | list[str] = (),
    ) -> Result[T]:
        return cls(value=value, metrics=dict(metrics or {}), warnings=tuple(warnings))

    @classmethod
    def failure(
        cls,
        error: SpineError,
        *,
        metrics: Mapping[str, Metric] | None = None,
        warnings: tuple[str, ...] | list[str] = (),
    ) -> Result[T]:
        return cls(error=error, metrics=dict(metrics or {}), warnings=tuple(warnings))

    @property
    def ok(self) -> bool:
        return self.error is None

    def unwrap(self) -> T:
        """The value; raises the error of a failure."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # T may itself be optional

    def map(self, change: Callable[[T], U]) -> Result[U]:
        """The same envelope around a changed value; a failure passes through untouched."""
        if self.error is not None:
            return Result(None, self.error, self.metrics, self.warnings, self.duration)
        return Result(change(self.unwrap()), None, self.metrics, self.warnings, self.duration)

    def timed(self, seconds: float) -> Result[T]:
        return replace(self, duration=seconds)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form; ``value`` is passed on as it is."""
        return {
            "ok": self.ok,
            "value": self.value,
            "error": self.error.to_dict() if self.error else None,
            "metrics": dict(self.metrics),
            "warnings": list(self.warnings),
            "duration": self.duration,
        }
