"""When failed work is done again, and after how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .errors import Category, ConfigurationError, SpineError


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a step or pipeline is tried, and how long it waits in between.

    ``attempts`` counts the first one. ``delay`` is in seconds: the same each time when ``fixed``,
    doubled each time when ``exponential``, which then is the upper bound of a time drawn by
    chance (full jitter), at most ``longest``. An error's own ``retry_after`` is waited for in any
    case. Only errors of ``categories`` are tried again, or, without any, those that say of
    themselves that a repeat can help.
    """

    attempts: int = 1
    delay: float = 1.0
    backoff: Literal["fixed", "exponential"] = "exponential"
    longest: float = 600.0
    categories: tuple[Category, ...] = ()

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.delay < 0 or self.longest < 0:
            raise ConfigurationError(
                f"a retry of {self.attempts} attempts, {self.delay} to {self.longest} s apart, "
                "cannot be",
                hint="give at least 1 attempt, and times of at least 0 seconds",
            )
        if self.backoff not in ("fixed", "exponential"):
            raise ConfigurationError(
                f"there is no backoff {self.backoff!r}", hint="it is fixed or exponential"
            )

    def wait(self, error: SpineError, failures: int, chance: float) -> float | None:
        """Seconds until the next attempt after so many failures; None when there is none.

        ``chance`` is a number from 0 to 1.
        """
        if failures >= self.attempts:
            return None
        wanted = error.category in self.categories if self.categories else error.retryable
        if not wanted:
            return None
        if self.backoff == "fixed":
            pause = self.delay
        else:
            # 2**60 s is beyond all patience; larger powers would overflow.
            pause = chance * min(self.longest, self.delay * 2.0 ** min(failures - 1, 60))
        return max(pause, error.retry_after or 0.0)

    def to_dict(self) -> dict[str, Any]:
        return {
            "attempts": self.attempts,
            "delay": self.delay,
            "backoff": self.backoff,
            "longest": self.longest,
            "categories": [item.value for item in self.categories],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Retry:
        return cls(
            attempts=data["attempts"],
            delay=data["delay"],
            backoff=data["backoff"],
            longest=data["longest"],
            categories=tuple(Category(item) for item in data["categories"]),
        )


NO_RETRY = Retry()
