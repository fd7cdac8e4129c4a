"""Sources that are all opened with patience."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ....ports.sources import Source, Sources
from .retry import RetryingSource


@dataclass(frozen=True, slots=True)
class RetryingSources:
    """Opens what ``inner`` opens, each source wrapped to be read up to ``attempts`` times."""

    inner: Sources
    attempts: int
    delay: float
    sleep: Callable[[float], None]

    def open(self, type: str, **options: Any) -> Source:
        """As ``inner`` does; a single attempt needs no wrapper."""
        source = self.inner.open(type, **options)
        if self.attempts == 1:
            return source
        return RetryingSource(source, self.attempts, self.delay, self.sleep)
