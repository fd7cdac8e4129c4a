"""How many calls there are, how they end and how long they take; told once in a while."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

_log = logging.getLogger(__name__)

INTERVAL = 60.0
"""Seconds between two lines of the log."""


@dataclass(slots=True)
class Count:
    """Calls of one method that ended alike. Seconds are from the gate to the answer."""

    calls: int = 0
    seconds: float = 0.0
    longest: float = 0.0


@dataclass(slots=True)
class CallMeter:
    """Counts calls by method and status code, for the event loop alone."""

    counts: dict[tuple[str, str], Count] = field(default_factory=dict)

    def note(self, method: str, code: str, seconds: float) -> None:
        """Count one call that has ended."""
        count = self.counts.get((method, code))
        if count is None:
            count = self.counts[method, code] = Count()
        count.calls += 1
        count.seconds += seconds
        count.longest = max(count.longest, seconds)

    def told(self) -> list[str]:
        """A line for each method and code that was seen, most calls first; then it begins anew."""
        seen = sorted(self.counts.items(), key=lambda item: -item[1].calls)
        self.counts = {}
        return [
            f"{method} {code}: {count.calls:,} calls, {count.seconds / count.calls * 1e3:.1f} ms "
            f"each, {count.longest * 1e3:.1f} at most"
            for (method, code), count in seen
        ]

    async def tell(self) -> None:
        """Write to the log what was counted, each minute, until it is cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            for line in self.told():
                _log.info("%s", line)
