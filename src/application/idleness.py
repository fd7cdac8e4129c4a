"""What is left in the queue: what a worker will take some time, and what it never takes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container
from dataclasses import dataclass, field

from ..domain.queueing import Lane
from ..ports.runtime import Clock
from ..ports.storage import Store

_PAUSE = 60.0


@dataclass(slots=True)
class Idleness:
    """Of a worker that serves ``pools`` and knows ``pipelines``; ``tell`` is for its operator."""

    store: Store
    clock: Clock
    pools: Collection[str]
    pipelines: Container[str]
    tell: Callable[[str], None]
    _next: float = field(default=0.0, init=False)
    _told: set[str] = field(default_factory=set, init=False)

    def over(self) -> bool:
        """Whether nothing waits for this worker; tells of what it leaves to others.

        What waits for its time, for a limit, or for another run of its key, waits for it as well.
        """
        lanes = self._lanes()
        if any(self._takes(lane) for lane in lanes):
            return False
        self._tell_of(lanes)
        return True

    def never_over(self) -> bool:
        """False; tells of what waits and is left to others, now and then, of each thing once."""
        now = self.clock.monotonic()
        if now >= self._next:
            self._tell_of(self._lanes())
            self._next = now + _PAUSE
        return False

    def _tell_of(self, lanes: Collection[Lane]) -> None:
        pools = {lane.pool for lane in lanes if lane.pool not in self.pools}
        self._tell_new(
            pools,
            "runs wait in pools that this worker does not serve: {}; "
            f"spine worker --pools {','.join(sorted({*self.pools, *pools}))} takes them as well",
        )
        self._tell_new(
            {lane.pipeline for lane in lanes if lane.pipeline not in self.pipelines},
            "runs wait of pipelines that this worker does not know: {}; "
            "SPINE_MODULES names the modules that declare pipelines",
        )

    def _tell_new(self, names: Collection[str], text: str) -> None:
        new = sorted(set(names) - self._told)
        if new:
            self._told.update(new)
            self.tell(text.format(", ".join(new)))

    def _takes(self, lane: Lane) -> bool:
        return lane.pool in self.pools and lane.pipeline in self.pipelines

    def _lanes(self) -> Collection[Lane]:
        with self.store.read() as unit:
            return unit.queue.waiting_lanes()
