"""What a store has recorded of runs, read at one moment to be judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..domain.backfills import Backfill, BackfillPart
from ..domain.plans import Plan, PlannedStep, filled
from ..domain.queueing import Job
from ..domain.runs import EventKind, Run, RunEvent, RunFilter
from ..ports.storage import UnitOfWork

ENDS = (EventKind.SUCCEEDED, EventKind.FAILED, EventKind.CANCELLED)
"""With these a claim ends, and its run as well."""
RETURNS = (EventKind.RETRY_SCHEDULED, EventKind.RELEASED, EventKind.LEASE_LOST)
"""With these a claim ends."""
OUTCOMES = (*ENDS, EventKind.SKIPPED, EventKind.REUSED)
"""After these nothing happens to a run."""

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Claim:
    """A process had a run from ``event`` on; ``end`` is None as long as it has it."""

    event: RunEvent
    end: RunEvent | None

    @property
    def lost(self) -> bool:
        return self.end is not None and self.end.kind is EventKind.LEASE_LOST


@dataclass(frozen=True, slots=True)
class Told:
    """One run, with all that the store has of it: events in their order, its place in the queue."""

    run: Run
    events: Sequence[RunEvent]
    job: Job | None

    @property
    def leaf(self) -> bool:
        """Whether it is executed itself: of a workflow the steps are executed instead."""
        return self.run.plan is None

    @property
    def claims(self) -> list[Claim]:
        found: list[Claim] = []
        for event in self.events:
            if event.kind is EventKind.CLAIMED:
                found.append(Claim(event, None))
            elif event.kind in (*ENDS, *RETURNS) and found and found[-1].end is None:
                found[-1] = Claim(found[-1].event, event)
        return found

    def __str__(self) -> str:
        run = self.run
        step = "" if run.step is None else f" as step {run.step}"
        item = "" if run.item is None else f"[{run.item}]"
        return f"run {run.id} of {run.pipeline}{step}{item}, {run.state.value}"

    def course(self) -> Iterator[str]:
        """Its events, one line each."""
        for event in self.events:
            held = "" if not event.fence else f" fence {event.fence} by {event.owner}"
            yield f"{event.at.time().isoformat('milliseconds')} {event.kind.value}{held}"


@dataclass(frozen=True, slots=True)
class Record:
    """All runs by id, and all backfills with their partitions."""

    runs: Mapping[str, Told]
    backfills: Sequence[tuple[Backfill, Sequence[BackfillPart]]]

    def children(self, parent: str) -> list[Told]:
        return [told for told in self.runs.values() if told.run.parent == parent]

    def key_of(self, told: Told) -> str | None:
        """What keeps others from being executed beside it, as far as the store tells it."""
        if told.job is not None:
            return told.job.key
        step = self._planned(told.run)
        return None if step is None else filled(step.key, told.run.parameters)

    def _planned(self, run: Run) -> PlannedStep | None:
        """How the run was queued, if it is a step or of a backfill."""
        above = None if run.parent is None else self.runs.get(run.parent)
        if above is not None and above.run.plan is not None:
            return Plan.from_dict(above.run.plan).step(run.step)
        steps = [backfill.step for backfill, _ in self.backfills if backfill.id == run.backfill]
        return PlannedStep.from_dict(steps[0]) if steps and steps[0] else None

    def last_sign(self, owner: str | None, before: datetime) -> datetime | None:
        """When ``owner`` did something last that is known of."""
        signs = (
            event.at
            for told in self.runs.values()
            for event in told.events
            if event.owner == owner and event.kind is not EventKind.LEASE_LOST
        )
        return max((at for at in signs if at <= before), default=None)


def read_record(unit: UnitOfWork) -> Record:
    """All that ``unit`` has of runs and backfills."""
    runs: dict[str, Told] = {}
    before = None
    while page := unit.runs.list(RunFilter(before=before, limit=_PAGE)):
        for run in page:
            runs[run.id] = Told(run, tuple(_events(unit, run.id)), unit.queue.get(run.id))
        before = page[-1].id
    backfills: list[tuple[Backfill, Sequence[BackfillPart]]] = []
    before = None
    while found := unit.backfills.list(before=before, limit=_PAGE):
        backfills += [(item, tuple(_parts(unit, item.id))) for item in found]
        before = found[-1].id
    return Record(dict(sorted(runs.items())), backfills)


def _events(unit: UnitOfWork, run_id: str) -> Iterator[RunEvent]:
    after = 0
    while page := unit.journal.events(run_id, after=after):
        yield from page
        after = page[-1].key


def _parts(unit: UnitOfWork, backfill_id: str) -> Iterator[BackfillPart]:
    after = 0
    while page := unit.backfills.parts(backfill_id, after=after):
        yield from page
        after = page[-1].number
