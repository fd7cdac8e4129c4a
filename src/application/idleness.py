"""What is left in the queue: what a worker will take some time, and what it never takes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container
from dataclasses import dataclass, field

from ..domain.queueing import Lane, QueueState
from ..ports.runtime import Clock
from ..ports.storage import Store

_PAUSE = 60.0
_WAITING = (QueueState.READY, QueueState.WAITING, QueueState.HELD)


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

        What waits for its time, or for a limit, waits for it. So does what waits for another run
        of its key, unless that one waits as well, and for others.
        """
        with self.store.read() as unit:
            due = {*unit.queue.lanes(QueueState.READY), *unit.queue.lanes(QueueState.WAITING)}
            if any(map(self._takes, due)):
                return False
            held = set(unit.queue.lanes(QueueState.HELD))
            over = not any(map(self._takes, held)) or not unit.queue.lanes(QueueState.CLAIMED)
        self._tell_of(due | held)
        return over

    def never_over(self) -> bool:
        """False; tells of what waits and is left to others, now and then, of each thing once."""
        now = self.clock.monotonic()
        if now >= self._next:
            with self.store.read() as unit:
                self._tell_of({lane for state in _WAITING for lane in unit.queue.lanes(state)})
            self._next = now + _PAUSE
        return False

    def _tell_of(self, lanes: Collection[Lane]) -> None:
        left = [lane for lane in lanes if not (lane.private or self._takes(lane))]
        pools = {lane.pool for lane in left if lane.pool not in self.pools}
        self._tell_new(
            pools,
            "runs wait in pools that this worker does not serve: {}; "
            f"spine worker --pools {','.join(sorted({*self.pools, *pools}))} takes them as well",
        )
        self._tell_new(
            {lane.pipeline for lane in left if lane.pipeline not in self.pipelines},
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
