"""What the end of runs starts: the next steps of workflows, the next partitions of backfills.

It happens in the transaction that ends the runs, so nothing can get lost in between, and no
process has to watch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
        if held is None:
            held = self.hold_above(unit, runs)
        ended: dict[str, list[Run]] = {}
        for run in runs:
            if run.parent is not None:
                ended.setdefault(run.parent, []).append(run)
        # Of a step that goes on with other items nothing follows yet, and nothing is counted.
        moved = {
            parent: some
            for parent, some in ended.items()
            if parent in held.workflows and not _goes_on(unit, some)
        }
        self._advance(unit, [held.workflows[parent] for parent in moved], moved)
        for name, backfill in sorted(held.backfills.items()):
            some = [run for run in runs if run.parent is None and run.backfill == name]
            if some:
                self.begin(unit, *self.backfills.after(unit, backfill, some))

    def fill(self, unit: UnitOfWork, backfill: Backfill) -> None:
        """Submit what a backfill, which the caller holds, has room for; end it when it is over."""
        self.begin(unit, *self.backfills.fill(unit, backfill))

    def begin(self, unit: UnitOfWork, *runs: Run) -> None:
        """Start the first steps of workflows' runs that nobody else can know of yet."""
        self._advance(unit, runs, fresh=True)

    def advance(self, unit: UnitOfWork, run: Run) -> None:
        """Start, skip or end what can be started, skipped or ended of a workflow's run."""
        self._advance(unit, unit.runs.hold(run.id))

    def _advance(
        self,
        unit: UnitOfWork,
        held: Sequence[Run],
        ended: Mapping[str, Sequence[Run]] | None = None,
        *,
        fresh: bool = False,
    ) -> None:
        """``ended`` are runs of steps that have just ended, by the run of their workflow.

        Nothing was begun of ``fresh`` runs: what there is of them is not asked.
        """
        live = [run for run in held if run.plan is not None and not run.state.final]
        if not live:
            return
        new, at = NewRuns(), unit.queue.now()
        ways = [WorkflowMoves(unit, run, self._plan(run), self.ids, new, at) for run in live]
        for way in ways:
            way.note_outputs((ended or {}).get(way.run.id, ()))
        counts: Mapping[str, Counts] = {} if fresh else _counts(unit, ways)
        while ways:
            over: list[Run] = []
            again: list[WorkflowMoves] = []
            begun: list[Run] = []
            for way in ways:
                moved = self._move(way, counts.get(way.run.id, {}))
                over += moved.ended
                begun += moved.begun
                if moved.again:
                    again.append(way)
            new.write(unit)
            self._end(unit, over)
            self.begin(unit, *begun)
            # What has begun may be over already, and have moved its own workflow on to the end.
            ways = _still_live(unit, again) if begun else again
            counts = _counts(unit, ways)

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

    def _end(self, unit: UnitOfWork, over: Sequence[Run]) -> None:
        """Write the ends of workflows, and go on with what waited for them."""
        if not over:
            return
        at = unit.queue.now()
        for run in over:
            job = unit.queue.get(run.id) if (run.plan or {}).get("attached_to") == run.id else None
            if job is not None:
                unit.queue.remove(job.lease)
        unit.runs.finish(*over)
        unit.journal.record(event_of_end(run, at) for run in over)
        self.after(unit, over)


@dataclass(frozen=True, slots=True)
class _Moved:
    """Workflows that are over, workflows that have begun inside, and whether more is to follow."""

    ended: list[Run] = field(default_factory=list)
    begun: list[Run] = field(default_factory=list)
    again: bool = False


def _counts(
    unit: UnitOfWork, ways: Iterable[WorkflowMoves]
) -> dict[str, dict[str, dict[RunState, int]]]:
    """Per workflow's run and step, how many of its runs are in which state."""
    found: dict[str, dict[str, dict[RunState, int]]] = {}
    for count in unit.runs.steps(*(way.run.id for way in ways)):
        found.setdefault(count.parent, {}).setdefault(count.step, {})[count.state] = count.runs
    return found


def _still_live(unit: UnitOfWork, ways: list[WorkflowMoves]) -> list[WorkflowMoves]:
    over = {run.id for run in unit.runs.find([way.run.id for way in ways]) if run.state.final}
    return [way for way in ways if way.run.id not in over]


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
