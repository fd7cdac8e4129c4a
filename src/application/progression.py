"""What the end of a run starts: the next steps of its workflow, the next partitions of a backfill.

It happens in the transaction that ends the run, so nothing can get lost in between, and no
process has to watch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ..domain.backfills import Backfill
from ..domain.errors import Category, ErrorContext, SpineError, ValidationError
from ..domain.plans import Plan, PlannedStep, condition, filled, next_moves
from ..domain.queueing import HEAD_START, Job
from ..domain.references import Scope
from ..domain.runs import EventKind, Run, RunEvent, RunFilter, RunState, Trigger
from ..ports.runtime import Ids
from ..ports.storage import UnitOfWork
from .backfill_progression import BackfillProgression
from .planned_runs import queue_run

MOST_ITEMS = 10_000
"""A step is done for at most so many items of a list."""


@dataclass(frozen=True, slots=True)
class Progression:
    """Moves workflows and backfills on; each method is a part of the caller's unit of work."""

    ids: Ids
    backfills: BackfillProgression

    def hold_above(self, unit: UnitOfWork, run: Run) -> Run | None:
        """Hold what the end of ``run`` may move on, from the top, before anything below it.

        The workflow's run directly above it is answered, as it stands now.
        """
        chain = [run]
        while chain[-1].parent is not None:
            above = unit.runs.get(chain[-1].parent)
            if above is None:
                break
            chain.append(above)
        if chain[-1].backfill is not None:
            unit.backfills.hold(chain[-1].backfill)
        held = None
        for above in reversed(chain[1:]):
            held = unit.runs.hold(above.id) if above.plan is not None else None
        return held

    def begin_above(self, unit: UnitOfWork, jobs: Iterable[Job], at: datetime) -> None:
        """Workflows whose first step was claimed are RUNNING as well."""
        seen: set[str] = set()
        for job in jobs:
            run = unit.runs.get(job.run)
            while run is not None and run.parent is not None and run.parent not in seen:
                seen.add(run.parent)
                run = unit.runs.get(run.parent)
                if run is not None and run.state is RunState.PENDING:
                    unit.runs.begin([run.id], owner=job.owner or "", at=at)

    def after(self, unit: UnitOfWork, run: Run, above: Run | None = None) -> None:
        """Go on with what waited for the end of ``run``.

        ``above`` is the run that :meth:`hold_above` has answered, where it was asked just now.
        """
        if above is not None:
            # Of a step that goes on with other items nothing follows yet, and nothing is counted.
            if run.item is None or not _goes_on(unit, run):
                self._advance(unit, above)
        elif run.parent is not None:
            above = unit.runs.get(run.parent)
            if above is not None and above.plan is not None:
                self.advance(unit, above)
        elif run.backfill is not None:
            for begun in self.backfills.after(unit, run):
                self.advance(unit, begun)

    def fill(self, unit: UnitOfWork, backfill: Backfill) -> None:
        """Submit what a backfill, which the caller holds, has room for; end it when it is over."""
        for begun in self.backfills.fill(unit, backfill):
            self.advance(unit, begun)

    def advance(self, unit: UnitOfWork, run: Run) -> None:
        """Start, skip or end what can be started, skipped or ended of a workflow's run."""
        present = unit.runs.hold(run.id)
        if present is not None:
            self._advance(unit, present)

    def _advance(self, unit: UnitOfWork, run: Run) -> None:
        if run.state.final or run.plan is None:
            return
        way = _Workflow(unit, run, Plan.from_dict(run.plan), self.ids)
        while True:
            counts = way.counts()
            if run.cancel_requested_at is not None:
                if all(state.final for states in counts.values() for state in states):
                    self._end(unit, way, RunState.CANCELLED)
                return
            moves = next_moves(way.plan, counts)
            if moves.ended is not None:
                self._end(unit, way, moves.ended)
                return
            if not moves.start and not moves.skip:
                return
            for step, reason in moves.skip:
                way.add(step, RunState.SKIPPED, warnings=(reason,))
            for step in moves.start:
                for nested in way.start(step):
                    self.advance(unit, nested)

    def _end(self, unit: UnitOfWork, way: _Workflow, state: RunState) -> None:
        run = way.ended(state)
        job = unit.queue.get(run.id)
        if job is not None:
            unit.queue.remove(job.lease)
        unit.runs.finish(run)
        detail = {} if run.error is None else {"error": run.error.to_dict()}
        kind = EventKind(run.state.value)
        assert run.finished_at is not None  # noqa: S101  # it has ended
        unit.journal.record([RunEvent(run.id, kind, run.finished_at, detail=detail)])
        self.after(unit, run)


@dataclass(slots=True)
class _Workflow:
    """A workflow's run that is held, and the runs of its steps."""

    unit: UnitOfWork
    run: Run
    plan: Plan
    ids: Ids
    _outputs: dict[str, Any] = field(default_factory=dict)

    def counts(self) -> dict[str, dict[RunState, int]]:
        found: dict[str, dict[RunState, int]] = {}
        for count in self.unit.runs.steps(self.run.id):
            found.setdefault(count.step, {})[count.state] = count.runs
        return found

    def start(self, step: PlannedStep) -> Sequence[Run]:
        """Queue the runs of a step, or note at once how it ended; workflows that began with it."""
        self._outputs.clear()
        try:
            asked = condition(step)
            if asked is not None and not asked.holds(self._scope()):
                reason = f"skipped, because {asked.text} does not hold"
                self.add(step, RunState.SKIPPED, warnings=(reason,))
                return ()
            if step.each is None:
                prepared = [self._parameters(step)]
            else:
                prepared = [self._parameters(step, item) for item in self._items(step)]
            for parameters in prepared:
                filled(step.key, parameters)
                filled(step.partition, parameters)
        except ValidationError as error:
            # What the steps have returned is not what this one asks for.
            self.add(step, RunState.FAILED, error=error)
            return ()
        if step.each is None:
            return self._queue(step, None, prepared[0])
        if not prepared:
            self.add(step, RunState.SUCCEEDED, metrics={"items": 0})
        begun: list[Run] = []
        for number, parameters in enumerate(prepared):
            begun.extend(self._queue(step, number, parameters))
        return begun

    def add(self, step: PlannedStep, state: RunState, **outcome: Any) -> None:
        """Record a step that ended before it began."""
        at = self.unit.queue.now()
        error: SpineError | None = outcome.get("error")
        run = replace(
            self._new(step, None, {}), state=state, created_at=at, finished_at=at, **outcome
        )
        if error is not None:
            error.within(ErrorContext(run=run.id, pipeline=run.pipeline, step=step.name))
        self.unit.runs.add(run)
        detail = {} if error is None else {"error": error.to_dict()}
        self.unit.journal.record([RunEvent(run.id, EventKind(state.value), at, detail=detail)])

    def ended(self, state: RunState) -> Run:
        """The workflow's run with its outcome."""
        counts = self.counts()
        good = [name for name, states in counts.items() if set(states) == {RunState.SUCCEEDED}]
        error = None
        if state is RunState.FAILED:
            error = self._failure(counts, len(good))
        elif state is RunState.CANCELLED:
            error = SpineError(
                "the workflow was cancelled",
                category=Category.TRANSIENT,
                hint=f"spine runs retry {self.run.id} goes on with what is not done",
                retryable=False,
            )
        if error is not None:
            error.within(ErrorContext(run=self.run.id, pipeline=self.run.pipeline))
        return replace(
            self.run,
            state=state,
            finished_at=self.unit.queue.now(),
            metrics={"steps": len(self.plan.steps), "steps_succeeded": len(good)},
            output=self._output() if state is RunState.SUCCEEDED else None,
            error=error,
        )

    def _failure(self, counts: Mapping[str, Mapping[RunState, int]], good: int) -> SpineError:
        failed = self.unit.runs.list(RunFilter(parent=self.run.id, state=RunState.FAILED, limit=20))
        told = {str(run.step): run for run in reversed(failed)}
        states = {
            name: min(states, key=_SEVERITY.index)
            for name, states in counts.items()
            if set(states) != {RunState.SUCCEEDED}
        }
        return SpineError(
            f"{len(self.plan.steps) - good} of {len(self.plan.steps)} steps of "
            f"{self.run.pipeline} did not succeed: "
            + ", ".join(f"{name} {state.value}" for name, state in states.items())
            + "".join(f"; {name}: {r.error.message}" for name, r in told.items() if r.error),
            category=Category.TRANSFORM,
            hint=f"mend it, then spine runs retry {self.run.id}: what is done is not done again",
            cause=next((run.error for run in told.values() if run.error), None),
        )

    def _output(self) -> dict[str, Any]:
        """What the steps returned that no other step comes after."""
        before = {name for step in self.plan.steps for name in step.after}
        return {
            step.name: self._returned(step.name)
            for step in self.plan.steps
            if step.name not in before
        }

    def _queue(
        self, step: PlannedStep, item: int | None, parameters: dict[str, Any]
    ) -> Sequence[Run]:
        at = self.unit.queue.now()
        run = replace(self._new(step, item, parameters), created_at=at)
        queued = queue_run(
            self.unit,
            run,
            step,
            # A workflow that is under way is finished before others are begun.
            min(at, self.run.created_at) - self.plan.priority * HEAD_START,
            attached_to=self.plan.attached_to,
        )
        return () if queued else (run,)

    def _new(self, step: PlannedStep, item: int | None, parameters: dict[str, Any]) -> Run:
        return Run(
            id=self.ids.new(),
            pipeline=step.pipeline,
            parameters=parameters,
            state=RunState.PENDING,
            created_at=self.run.created_at,
            parent=self.run.id,
            step=step.name,
            item=item,
            trigger=Trigger.WORKFLOW,
            partition=filled(step.partition, parameters),
            force=self.run.force,
            plan=None if step.plan is None else step.plan.to_dict(),
        )

    def _parameters(self, step: PlannedStep, item: Any = None) -> dict[str, Any]:
        scope = self._scope(item)
        found = {name: scope.resolve(value) for name, value in step.parameters.items()}
        return {name: value for name, value in found.items() if value is not None}

    def _scope(self, item: Any = None) -> Scope:
        return Scope(self.run.parameters, self._returned, item)

    def _items(self, step: PlannedStep) -> list[Any]:
        found = self._scope().resolve(step.each)
        if not isinstance(found, list):
            raise ValidationError(
                f"{step.each} of step {step.name!r} is {type(found).__name__}, not a list",
                hint="return a list from the step before, or give one",
            )
        if len(found) > MOST_ITEMS:
            raise ValidationError(
                f"step {step.name!r} would be done for {len(found):,} items",
                hint=f"at most {MOST_ITEMS:,} are done; let each do several",
            )
        return found

    def _returned(self, name: str) -> Any:
        """What a step returned; asked of the store once, however many items ask for it."""
        if name not in self._outputs:
            self._outputs[name] = self._stored_output(name)
        return self._outputs[name]

    def _stored_output(self, name: str) -> Any:
        """A list, in the order of its items, for a step that has some."""
        step = self.plan.step(name)
        runs = self.unit.runs.list(
            RunFilter(parent=self.run.id, step=name, state=RunState.SUCCEEDED, limit=MOST_ITEMS)
        )
        if step is not None and step.each is not None:
            items = sorted((run for run in runs if run.item is not None), key=lambda r: r.item or 0)
            return [run.output for run in items]
        return runs[0].output if runs else None


def _goes_on(unit: UnitOfWork, run: Run) -> bool:
    """Whether other runs of the same step are live."""
    return any(
        unit.runs.list(RunFilter(parent=run.parent, step=run.step, state=state, limit=1))
        for state in (RunState.PENDING, RunState.RUNNING)
    )


_SEVERITY = (
    RunState.FAILED,
    RunState.CANCELLED,
    RunState.SKIPPED,
    RunState.RUNNING,
    RunState.PENDING,
    RunState.SUCCEEDED,
)
