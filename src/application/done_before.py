"""What an ended workflow's run has done, at any depth, taken over by a new one.

What has succeeded is done in the new run by reference to the old one. A workflow inside it that
has not is made anew, and takes over in the same way what was done inside that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..domain.plans import Plan, PlannedStep
from ..domain.runs import EventKind, Run, RunEvent, RunState, Trigger
from ..ports.runtime import Ids
from ..ports.storage import UnitOfWork
from .planned_runs import NewRuns


@dataclass(frozen=True, slots=True)
class TakenOver:
    """Workflows' runs that are stored and not moved on yet.

    ``levels`` are those that have something done in them, from the top down; nothing was begun of
    those that are ``fresh``.
    """

    levels: Sequence[Sequence[Run]]
    fresh: Sequence[Run]


@dataclass(frozen=True, slots=True)
class _Old:
    """An ended run: the steps that it may leave to a new one, and what was run of each."""

    steps: Mapping[str, PlannedStep]
    runs: dict[str, list[Run]] = field(default_factory=dict)


def take_over(
    unit: UnitOfWork, ids: Ids, old: Run, new: Run, plan: Plan, again: Collection[str]
) -> TakenOver:
    """Store in ``new``, a run by ``plan``, what was done in ``old``, but for the steps ``again``.

    Items of a step that was done for others of them are queued once more.
    """
    steps = {step.name: step for step in plan.steps if step.name not in again}
    taking = _Taking(ids, _read(unit, old, steps))
    level, levels = [(old, new)], list[list[Run]]()
    while level:
        levels.append([made for _, made in level])
        level = [pair for before, made in level for pair in taking.over(before, made)]
    taking.noted.write(unit)
    return TakenOver(levels, taking.fresh)


class _Taking:
    """Notes what becomes of the runs inside old ones that are ``known``."""

    def __init__(self, ids: Ids, known: Mapping[str, _Old]) -> None:
        self._ids = ids
        self._known = known
        self._worth = _worth(known)
        self.noted = NewRuns()
        self.fresh: list[Run] = []

    def over(self, before: Run, parent: Run) -> list[tuple[Run, Run]]:
        """Of the steps of a run to its successor; both runs of workflows to go on with inside."""
        old = self._known[before.id]
        below: list[tuple[Run, Run]] = []
        for name, step in old.steps.items():
            runs = old.runs.get(name, [])
            if any(_is_done(run) or run.id in self._worth for run in runs):
                below += [pair for run in runs for pair in self._run(parent, step, run)]
        return below

    def _run(self, parent: Run, step: PlannedStep, old: Run) -> list[tuple[Run, Run]]:
        if _is_done(old):
            made = _reused(self._ids, parent, old)
            detail = {"run": old.id}
            self.noted.store(
                made, RunEvent(made.id, EventKind.REUSED, made.created_at, detail=detail)
            )
            return []
        made = _once_more(self._ids, parent, step, old)
        if self.noted.queue(made, step, made.created_at):
            return []
        if old.id in self._worth:
            return [(old, made)]
        self.fresh.append(made)
        return []


def _read(unit: UnitOfWork, old: Run, steps: Mapping[str, PlannedStep]) -> dict[str, _Old]:
    """What was run of the steps, and inside of what did not succeed; by run, from the top down."""
    known = {old.id: _Old(steps)}
    level = dict(known) if steps else {}
    while level:
        below: dict[str, _Old] = {}
        for run in unit.runs.parts(level):
            parent = level[run.parent or ""]
            step = parent.steps.get(run.step or "")
            if step is None:
                continue
            parent.runs.setdefault(step.name, []).append(run)
            # Of what is another workflow by now nothing is taken.
            alike = run.plan is not None and run.pipeline == step.pipeline
            if step.plan is not None and alike and not _is_done(run):
                below[run.id] = _Old({inner.name: inner for inner in step.plan.steps})
        known.update(below)
        level = below
    return known


def _worth(known: Mapping[str, _Old]) -> set[str]:
    """The runs inside of which something was done, at any depth."""
    worth: set[str] = set()
    for run_id, old in reversed(list(known.items())):
        inside = (run for runs in old.runs.values() for run in runs)
        if any(_is_done(run) or run.id in worth for run in inside):
            worth.add(run_id)
    return worth


def _is_done(run: Run) -> bool:
    return run.state is RunState.SUCCEEDED


def _once_more(ids: Ids, parent: Run, step: PlannedStep, old: Run) -> Run:
    """What did not succeed, again: with the parameters under which others of it were done."""
    return Run(
        ids.new(),
        step.pipeline,
        old.parameters,
        RunState.PENDING,
        parent.created_at,
        parent=parent.id,
        step=step.name,
        item=old.item,
        trigger=Trigger.WORKFLOW,
        partition=old.partition,
        force=parent.force,
        plan=None if step.plan is None else step.plan.document,
    )


def _reused(ids: Ids, parent: Run, done: Run) -> Run:
    return replace(
        done,
        id=ids.new(),
        parent=parent.id,
        created_at=parent.created_at,
        trigger=Trigger.WORKFLOW,
        attempt=0,
        owner=None,
        retry_of=done.id,
        warnings=(*done.warnings, f"done by run {done.id}"),
    )
