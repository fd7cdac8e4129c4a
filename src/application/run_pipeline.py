"""Run a pipeline or workflow by name: typed parameters in, a recorded run and its result out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..domain.errors import Category, ErrorContext, SpineError, ValidationError, as_spine_error
from ..domain.parameters import parse_parameters, stored_parameters
from ..domain.pipelines import Pipeline
from ..domain.registry import Registry
from ..domain.result import Result
from ..domain.runs import Run, RunState
from ..domain.workflows import Step, Workflow, reference
from ..ports.progress import Progress
from ..ports.runtime import Clock, Ids, Processes
from ..ports.sources import Sources
from ..ports.storage import Store
from .context import RunContext, RunOutcome

log = logging.getLogger(__name__)

Work = Callable[[RunContext], Any]


@dataclass(frozen=True, slots=True)
class RunPipeline:
    """The dispatcher. One run is one transaction: its writes and its outcome commit together."""

    store: Store
    sources: Sources
    clock: Clock
    ids: Ids
    processes: Processes
    progress: Progress
    pipelines: Registry[Pipeline]
    workflows: Registry[Workflow]

    def __call__(
        self,
        name: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        force: bool = False,
        parent: str | None = None,
        step: str | None = None,
    ) -> RunOutcome:
        """Run ``name`` to its end.

        Raises a ValidationError, and records no run, when there is no such pipeline or workflow or
        when its parameters are wrong. Whatever goes wrong later is in the outcome.
        """
        given = dict(parameters or {})
        graph = self.workflows.find(name)
        if graph is not None:
            self._check_inputs(graph, given)
            return self._run(name, given, self._steps(graph, given), force, parent, step)
        found = self._pipeline(name)
        values = parse_parameters(found.parameters, given, pipeline=name)
        stored = stored_parameters(found.parameters, values)
        return self._run(
            name, stored, lambda context: found.function(context, **values), force, parent, step
        )

    def _pipeline(self, name: str) -> Pipeline:
        try:
            return self.pipelines.get(name)
        except ValidationError as error:
            raise ValidationError(
                f"there is no pipeline or workflow named {name!r}",
                hint=f"{error.hint}; spine pipelines list shows all",
            ) from None

    def _run(
        self,
        name: str,
        stored: Mapping[str, Any],
        work: Work,
        force: bool,
        parent: str | None,
        step: str | None,
    ) -> RunOutcome:
        now = self.clock.now()
        run = Run(
            id=self.ids.new(),
            pipeline=name,
            parameters=stored,
            state=RunState.RUNNING,
            created_at=now,
            started_at=now,
            parent=parent,
            step=step,
            owner=self.processes.identity(),
        )
        with self.store.write() as unit:
            self._close_interrupted(unit.runs.live(), unit.runs.finish)
            unit.runs.add(run)
            unit.commit()
        context = RunContext(
            run,
            force=force,
            store=self.store,
            sources=self.sources,
            progress=self.progress,
            execute=self,
        )
        try:
            return self._conclude(context, work)
        except (KeyboardInterrupt, SystemExit):
            context.close()
            stopped = SpineError("the run was interrupted", hint="run it again")
            self._record(self._finished(run, Result.failure(stopped), RunState.CANCELLED))
            raise
        finally:
            context.close()

    def _conclude(self, context: RunContext, work: Work) -> RunOutcome:
        """Do the work, then commit its writes with its outcome, or record the failure alone."""
        started = self.clock.monotonic()
        result = self._attempt(context, work)
        result = result.timed(self.clock.monotonic() - started)
        try:
            run = self._finished(context.run, result)
            if context.finish(run, succeeded=result.ok):
                return RunOutcome(run, result)
        except Exception as error:
            log.debug("commit failed", exc_info=True)
            failed = as_spine_error(error, doing=f"committing run {run.id}").within(context.where)
            result = Result.failure(failed, warnings=result.warnings).timed(result.duration)
        context.close()
        run = self._finished(context.run, result)
        self._record(run)
        return RunOutcome(run, result)

    def _attempt(self, context: RunContext, work: Work) -> Result[Any]:
        try:
            result = _as_result(work(context))
        except Exception as error:
            if not isinstance(error, SpineError):
                log.exception("pipeline %s failed", context.run.pipeline)
            failed = as_spine_error(error, doing=f"pipeline {context.run.pipeline}")
            result = Result.failure(failed)
        if result.error is not None:
            result.error.within(context.where)
        return replace(result, warnings=(*context.warnings, *result.warnings))

    def _finished(self, run: Run, result: Result[Any], state: RunState | None = None) -> Run:
        return replace(
            run,
            state=state or (RunState.SUCCEEDED if result.ok else RunState.FAILED),
            finished_at=self.clock.now(),
            metrics=result.metrics,
            warnings=result.warnings,
            error=result.error,
        )

    def _record(self, run: Run) -> None:
        with self.store.write() as unit:
            unit.runs.finish(run)
            unit.commit()

    def _close_interrupted(self, live: Sequence[Run], finish: Callable[[Run], bool]) -> None:
        """Every process helps to recover: runs whose process is gone are closed as failed."""
        for run in live:
            if run.owner is not None and not self.processes.alive(run.owner):
                error = SpineError(
                    "the process that executed the run ended before it was finished",
                    hint="nothing of it was committed; run it again",
                    retryable=True,
                    context=ErrorContext(run=run.id, pipeline=run.pipeline, step=run.step),
                )
                finish(self._finished(run, Result.failure(error)))

    # Workflows

    def _check_inputs(self, graph: Workflow, given: Mapping[str, Any]) -> None:
        """All parameters of all steps are right before the first step runs."""
        unknown = [name for name in given if name not in graph.inputs]
        missing = [name for name in graph.inputs if name not in given]
        if unknown or missing:
            raise ValidationError(
                f"wrong parameters for workflow {graph.name}:"
                + (f" missing {', '.join(missing)};" if missing else "")
                + (f" unknown {', '.join(unknown)};" if unknown else ""),
                hint=f"it takes {', '.join(graph.inputs) or 'no parameters'}",
            )
        for step in graph.steps:
            if step.pipeline is not None and self.workflows.find(step.pipeline) is None:
                found = self._pipeline(step.pipeline)
                parse_parameters(found.parameters, _filled(step, given), pipeline=found.name)

    def _steps(self, graph: Workflow, given: Mapping[str, Any]) -> Work:
        def work(context: RunContext) -> Result[Any]:
            states: dict[str, RunState] = {}
            for step in graph.steps:
                blocked = [name for name in step.after if states[name] is not RunState.SUCCEEDED]
                outcome = (
                    self._skip(context, step, blocked)
                    if blocked
                    else self._run_step(context, step, _filled(step, given))
                )
                states[step.name] = outcome.run.state
            return _summary(graph, states)

        return work

    def _run_step(
        self, context: RunContext, step: Step, parameters: Mapping[str, Any]
    ) -> RunOutcome:
        if step.pipeline is not None:
            return context.execute(step.pipeline, parameters, step=step.name)
        function = step.run
        assert callable(function)  # noqa: S101  # a Step runs a name or a function, by its type
        return self._run(
            f"{context.run.pipeline}.{step.name}",
            dict(parameters),
            lambda inner: function(inner, **parameters),
            context.force,
            context.run_id,
            step.name,
        )

    def _skip(self, context: RunContext, step: Step, blocked: list[str]) -> RunOutcome:
        now = self.clock.now()
        run = Run(
            id=self.ids.new(),
            pipeline=step.pipeline or f"{context.run.pipeline}.{step.name}",
            parameters={},
            state=RunState.SKIPPED,
            created_at=now,
            finished_at=now,
            parent=context.run_id,
            step=step.name,
            warnings=(f"skipped, because {', '.join(blocked)} did not succeed",),
        )
        with self.store.write() as unit:
            unit.runs.add(run)
            unit.commit()
        return RunOutcome(run, Result.success(warnings=run.warnings))


def _filled(step: Step, given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: given[inner] if (inner := reference(value)) else value
        for name, value in step.parameters.items()
    }


def _summary(graph: Workflow, states: Mapping[str, RunState]) -> Result[Any]:
    failed = [name for name, state in states.items() if state is not RunState.SUCCEEDED]
    metrics = {"steps": len(states), "steps_succeeded": len(states) - len(failed)}
    if not failed:
        return Result.success(dict(states), metrics=metrics)
    return Result.failure(
        SpineError(
            f"{len(failed)} of {len(states)} steps of {graph.name} did not succeed: "
            + ", ".join(f"{name} {states[name].value}" for name in failed),
            category=Category.TRANSFORM,
            hint="spine runs show lists the steps with their errors",
        ),
        metrics=metrics,
    )


def _as_result(returned: Any) -> Result[Any]:
    """A pipeline may return the envelope itself, a mapping of metrics, or nothing."""
    if isinstance(returned, Result):
        return returned
    if returned is None:
        return Result.success()
    if isinstance(returned, Mapping):
        return Result.success(metrics=returned)
    raise TypeError(
        f"a pipeline returns a Result, a mapping of metrics or None, not {type(returned).__name__}"
    )
