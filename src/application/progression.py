"""What the end of runs starts: the next steps of workflows, the next partitions of backfills.

It happens in the transaction that ends the runs, so nothing can get lost in between, and no
process has to watch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ..domain.backfills import Backfill
from ..domain.plans import Counts, Plan, next_moves
from ..domain.runs import Run, RunFilter, RunState
from ..ports.runtime import Ids
from ..ports.storage import UnitOfWork
from .backfill_progression import BackfillProgression
from .planned_runs import NewRuns
from .run_events import event_of_end
from .workflow_moves import WorkflowMoves

_MOST_PLANS = 100


@dataclass(frozen=True, slots=True)
class Held:
    """Runs of workflows, and backfills, that are held by a unit of work; by id."""

    workflows: Mapping[str, Run]
    backfills: Mapping[str, Backfill]


@dataclass(frozen=True, slots=True)
class Progression:
    """Moves workflows and backfills on; each method is a part of the caller's unit of work."""

    ids: Ids
    backfills: BackfillProgression
    _plans: dict[int, tuple[Mapping[str, Any], Plan]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def hold_above(self, unit: UnitOfWork, runs: Sequence[Run]) -> Held:
        """Hold what the end of ``runs`` may move on, from the top, before anything below it.

        The backfills, and the runs of workflows among what is directly above, are answered as they
        stand now.
        """
        wanted = {run.parent for run in runs if run.parent is not None}
        backfills = {run.backfill for run in runs if run.parent is None and run.backfill}
        levels: list[set[str]] = []
        while wanted:
            above = unit.runs.places(wanted)
            levels.append({place.run for place in above if place.is_workflow})
            wanted = {place.parent for place in above if place.parent is not None}
            backfills |= {p.backfill for p in above if p.parent is None and p.backfill}
        held = [unit.backfills.hold(backfill) for backfill in sorted(backfills)]
        workflows: Mapping[str, Run] = {}
        for level in reversed(levels):
            workflows = {run.id: run for run in unit.runs.hold(*level)} if level else {}
        return Held(workflows, {backfill.id: backfill for backfill in held if backfill})

    def begin_above(self, unit: UnitOfWork, runs: Sequence[Run], owner: str, at: datetime) -> None:
        """Workflows whose first step was claimed are RUNNING as well."""
        above = {run.parent for run in runs if run.parent is not None}
        # Where none of them was PENDING, none above them is.
        while above and unit.runs.begin(above, owner=owner, at=at):
            above = {place.parent for place in unit.runs.places(above) if place.parent}

    def after(self, unit: UnitOfWork, runs: Sequence[Run], held: Held | None = None) -> None:
        """Go on with what waited for the end of ``runs``.

        ``held`` is what :meth:`hold_above` has answered, where it was asked just now.
        """
        above = self.hold_above(unit, runs) if held is None else held
        self._go_on(unit, self._following(unit, runs, above))

    def fill(self, unit: UnitOfWork, backfill: Backfill) -> None:
        """Submit what a backfill, which the caller holds, has room for; end it when it is over."""
        self.begin(unit, *self.backfills.fill(unit, backfill))

    def begin(self, unit: UnitOfWork, *runs: Run) -> None:
        """Start the first steps of workflows' runs that nobody else can know of yet."""
        self._go_on(unit, _Next(fresh=runs))

    def advance(self, unit: UnitOfWork, *run_ids: str) -> None:
        """Start, skip or end what can be started, skipped or ended of workflows' runs.

        What is above them is held by the caller.
        """
        self._go_on(unit, _Next(unit.runs.hold(*run_ids)))

    def _go_on(self, unit: UnitOfWork, following: _Next) -> None:
        """Move workflows on, and all that follows from it, until something has to be waited for.

        Round by round: of steps that end at once any number may come one after the other.
        """
        if not following:
            return
        new, at = NewRuns(), unit.queue.now()
        again: list[WorkflowMoves] = []
        while again or following:
            ways = self._ways(unit, following, again, new, at)
            # Nothing was begun of what is fresh: what there is of it is not asked.
            fresh = {run.id for run in following.fresh}
            counts = _counts(unit, [run_id for run_id in ways if run_id not in fresh])
            over: list[Run] = []
            begun: list[Run] = []
            again = []
            for run_id, way in ways.items():
                moved = self._move(way, counts.get(run_id, {}))
                over += moved.ended
                begun += moved.begun
                if moved.again:
                    again.append(way)
            new.write(unit)
            following = _Next()
            if over:
                _end(unit, over, at)
                following = self._following(unit, over, self.hold_above(unit, over))
            following = replace(following, fresh=[*following.fresh, *begun])

    def _following(self, unit: UnitOfWork, runs: Sequence[Run], held: Held) -> _Next:
        """What is to be moved on after the end of ``runs``."""
        ended: dict[str, list[Run]] = {}
        for run in runs:
            if run.parent is not None and run.parent in held.workflows:
                ended.setdefault(run.parent, []).append(run)
        # Of a step that goes on with other items nothing follows yet, and nothing is counted.
        moved = {
            parent: some
            for parent, some in ended.items()
            if held.workflows[parent].cancel_requested_at is not None or not _goes_on(unit, some)
        }
        fresh: list[Run] = []
        for name, backfill in sorted(held.backfills.items()):
            some = [run for run in runs if run.parent is None and run.backfill == name]
            if some:
                fresh += self.backfills.after(unit, backfill, some)
        return _Next([held.workflows[parent] for parent in moved], fresh, moved)

    def _ways(
        self,
        unit: UnitOfWork,
        following: _Next,
        again: Iterable[WorkflowMoves],
        new: NewRuns,
        at: datetime,
    ) -> dict[str, WorkflowMoves]:
        """Each workflow that is to be moved once, by its run's id."""
        under_way = {way.run.id: way for way in again}
        ways: dict[str, WorkflowMoves] = {}
        for run in (*following.held, *following.fresh):
            if run.plan is None or run.state.final:
                continue
            known = under_way.get(run.id)
            way = known or WorkflowMoves(unit, run, self._plan(run), self.ids, new, at)
            way.note_outputs(following.ended.get(run.id, ()))
            ways[run.id] = way
        return under_way | ways

    def _plan(self, run: Run) -> Plan:
        """The plan of a workflow's run. Runs of one workflow have one, which a store gives once."""
        assert run.plan is not None  # noqa: S101  # it is a workflow's
        known = self._plans.get(id(run.plan))
        if known is None or known[0] is not run.plan:
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            known = self._plans[id(run.plan)] = (run.plan, Plan.from_dict(run.plan))
        return known[1]

    def _move(self, way: WorkflowMoves, counts: Counts) -> _Moved:
        if way.run.cancel_requested_at is not None:
            over = all(state.final for states in counts.values() for state in states)
            return _Moved(ended=[way.ended(RunState.CANCELLED, counts)] if over else [])
        moves = next_moves(way.plan, counts)
        if moves.ended is not None:
            return _Moved(ended=[way.ended(moves.ended, counts)])
        for step, reason in moves.skip:
            way.add(step, RunState.SKIPPED, warnings=(reason,))
        begun: list[Run] = []
        again = bool(moves.skip)
        for step in moves.start:
            started = way.start(step)
            again = again or started is None
            begun += started or ()
        return _Moved(begun=begun, again=again)


@dataclass(frozen=True, slots=True)
class _Next:
    """Workflows that are to be moved on, as they are held; nothing was begun of ``fresh`` ones.

    ``ended`` are runs of steps that have just ended, by the run of their workflow.
    """

    held: Sequence[Run] = ()
    fresh: Sequence[Run] = ()
    ended: Mapping[str, Sequence[Run]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.held or self.fresh)


@dataclass(frozen=True, slots=True)
class _Moved:
    """Workflows that are over, workflows that have begun inside, and whether more is to follow."""

    ended: list[Run] = field(default_factory=list)
    begun: list[Run] = field(default_factory=list)
    again: bool = False


def _end(unit: UnitOfWork, over: Sequence[Run], at: datetime) -> None:
    """Write the ends of workflows."""
    for run in over:
        job = unit.queue.get(run.id) if (run.plan or {}).get("attached_to") == run.id else None
        if job is not None:
            unit.queue.remove(job.lease)
    unit.runs.finish(*over)
    unit.journal.record(event_of_end(run, at) for run in over)


def _counts(unit: UnitOfWork, run_ids: Sequence[str]) -> dict[str, dict[str, dict[RunState, int]]]:
    """Per workflow's run and step, how many of its runs are in which state."""
    found: dict[str, dict[str, dict[RunState, int]]] = {}
    for count in unit.runs.steps(*run_ids) if run_ids else ():
        found.setdefault(count.parent, {}).setdefault(count.step, {})[count.state] = count.runs
    return found


def _goes_on(unit: UnitOfWork, ended: Sequence[Run]) -> bool:
    """Whether all that has ended are items of steps that go on with other items."""
    if any(run.item is None for run in ended):
        return False
    steps = {(run.parent, run.step) for run in ended}
    return all(_is_live(unit, parent, step) for parent, step in steps)


def _is_live(unit: UnitOfWork, parent: str | None, step: str | None) -> bool:
    return any(
        unit.runs.list(RunFilter(parent=parent, step=step, state=state, limit=1))
        for state in (RunState.PENDING, RunState.RUNNING)
    )
