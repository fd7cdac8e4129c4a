"""A process that works on durable runs, case after case, until one of them is its end.

Reads a :class:`Case` as JSON from each line, and answers each with an :class:`Answer` as JSON.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import cache

from durable_points import Fault, Moment, Point, PointedStore, Trap
from durable_work import LEASE, RENEWED, REQUESTS, House

from market_spine.adapters.inbound.worker.process import work
from market_spine.adapters.outbound.execution.inline import InlineExecution
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.errors import SpineError
from market_spine.ports.execution import Ended, Task

PATIENCE = 20.0
"""Seconds after which a worker that has nothing to do, with runs live, is taken to be stuck."""
LEFT = "left"
"""Said when the transaction is over that a fault has struck ahead of."""


@dataclass(frozen=True, slots=True)
class Case:
    """What to do on the store at ``url``: all that there is, or only to give back what it took."""

    url: str
    gives_back: bool = False
    trap: Trap | None = None
    lease: float = LEASE.total_seconds()

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Case:
        data = json.loads(text)
        trap = data["trap"]
        if trap is not None:
            trap = Trap(Point(**trap["point"]), Moment(trap["moment"]), Fault(trap["fault"]))
        return cls(**{**data, "trap": trap})


@dataclass(frozen=True, slots=True)
class Answer:
    """What was committed, whether the fault struck, and the runs that were live at the end."""

    owner: str
    points: list[Point]
    struck: bool
    live: list[str]

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Answer:
        data = json.loads(text)
        return cls(**{**data, "points": [Point(**point) for point in data["points"]]})


class StoppedAtOnce:
    """An execution that tells its worker to stop when it gets a task, and ends none by itself."""

    isolated = True

    def __init__(self) -> None:
        self.stop: Callable[[], None] = lambda: None
        self._tasks: dict[str, Task] = {}
        self._ended: list[Ended] = []

    def start(self, task: Task) -> None:
        self._tasks[task.run] = task
        self.stop()

    def begun(self, run: str) -> bool:
        return run in self._tasks

    def wait(self, seconds: float) -> Sequence[Ended]:
        if not self._ended:
            time.sleep(min(seconds, 0.01))
        ended, self._ended = self._ended, []
        return ended

    def end(self, run: str, why: SpineError) -> None:
        self._ended.append(Ended(self._tasks.pop(run), why))

    def close(self) -> None:
        """Nothing is held."""


@cache
def store_at(url: str) -> SqlStore:
    """One for each URL: what it has learned of its statements serves the next case."""
    return SqlStore(url)


def served(case: Case) -> Answer:
    plain = House.over(store_at(case.url))
    watched = PointedStore(plain.store, case.trap, lambda: print(LEFT, flush=True))
    house = House.over(watched)
    owner, lease = house.owner(), timedelta(seconds=case.lease)
    execution: StoppedAtOnce | InlineExecution
    if case.gives_back:
        plain.submit(REQUESTS[0])
        execution = StoppedAtOnce()
        worker = house.worker(execution, owner=owner, jobs=2, grace=0.0, lease=lease)
        execution.stop = worker.stop
    else:
        plain.lose()
        if case.trap is None or case.trap.point.name == "renew":
            RENEWED.clear()
        house.ask()
        execution = InlineExecution(house.execute)
        worker = house.worker(execution, owner=owner, jobs=3, lease=lease)
    deadline = time.monotonic() + PATIENCE

    def enough() -> bool:
        return not plain.live() or time.monotonic() > deadline

    work(worker, execution, until=enough, ready=lambda: None, stopping=lambda: None)
    live = [f"{run.pipeline} {run.step or ''} {run.state}" for run in plain.live()]
    return Answer(owner, watched.points, watched.struck, live)


def main() -> None:
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        print(served(Case.from_json(line)).to_json(), flush=True)


if __name__ == "__main__":
    main()
