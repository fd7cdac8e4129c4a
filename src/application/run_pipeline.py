"""Run a pipeline or workflow by name: typed parameters in, a recorded run and its result out."""

from __future__ import annotations

import logging
import math
import traceback
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..domain.errors import (
    Category,
    ConflictError,
    SpineError,
    TransformError,
    as_spine_error,
)
from ..domain.parameters import Param, ParameterSpec, parse_parameters, stored_parameters
from ..domain.pipelines import Pipeline
from ..domain.redaction import redact_mapping
from ..domain.registry import Registry
from ..domain.result import Result
from ..domain.runs import Run, RunState
from ..domain.workflows import Step, Workflow, reference
from ..ports.progress import Progress
from ..ports.runtime import Clock, Ids, Processes
from ..ports.sources import Sources
from ..ports.storage import Store
from .context import RunContext, RunOutcome
from .masking import Masking
from .read_datasets import ReadDatasets
from .run_recorder import RunRecorder
from .unit_attempts import UNIT_ATTEMPTS, undisturbed
from .workflow_inputs import Catalog, filled

log = logging.getLogger(__name__)

Work = Callable[[RunContext], Any]


@dataclass(frozen=True, slots=True)
class _Task:
    """What is to be run: its name, the parameters to remember, and what to hide."""

    name: str
    stored: Mapping[str, Any]
    work: Work
    masking: Masking

    @classmethod
    def of(
        cls, name: str, specs: tuple[ParameterSpec, ...], values: Mapping[str, Any], work: Work
    ) -> _Task:
        stored = redact_mapping(stored_parameters(specs, values))
        return cls(name, stored, work, Masking.of(specs, values))


@dataclass(frozen=True, slots=True)
class RunPipeline:
    """The dispatcher. One run is one transaction: its writes and its outcome commit together.

    A transaction that the store ends for another one's sake is done again as a whole.
    """

    store: Store
    sources: Sources
    datasets: ReadDatasets
    clock: Clock
    ids: Ids
    processes: Processes
    progress: Progress
    pipelines: Registry[Pipeline]
    workflows: Registry[Workflow]
    _recorder: RunRecorder = field(init=False, repr=False)

    def __post_init__(self) -> None:
        recorder = RunRecorder(self.store, self.clock, self.processes)
        object.__setattr__(self, "_recorder", recorder)

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
        catalog = Catalog(self.pipelines, self.workflows)
        if graph is not None:
            catalog.check_inputs(graph, given)
            secret = catalog.secret_inputs(graph)
            task = _Task.of(name, _specs(given, secret), given, self._steps(graph, given, secret))
        else:
            found = catalog.pipeline(name)
            values = parse_parameters(found.parameters, given, pipeline=name)
            task = _Task.of(
                name, found.parameters, values, lambda context: found.function(context, **values)
            )
        return self._run(task, force, parent, step)

    def _run(self, task: _Task, force: bool, parent: str | None, step: str | None) -> RunOutcome:
        run = self._begin(task, parent, step)
        for left in reversed(range(UNIT_ATTEMPTS)):
            outcome = self._within(self._context(run, task, force), task, may_repeat=left > 0)
            if outcome is not None:
                return outcome
        raise AssertionError("the last attempt has an outcome")

    def _context(self, run: Run, task: _Task, force: bool) -> RunContext:
        return RunContext(
            run,
            force=force,
            store=self.store,
            sources=self.sources,
            datasets=self.datasets,
            progress=self.progress,
            execute=self,
            hide=task.masking.text,
        )

    def _within(self, context: RunContext, task: _Task, *, may_repeat: bool) -> RunOutcome | None:
        """One attempt at the whole run; None when a conflict undid it and it may be repeated."""
        run = context.run
        try:
            return self._conclude(context, task, may_repeat=may_repeat)
        except Exception as error:
            failed = as_spine_error(error, doing=f"run {run.id}").within(context.where)
            context.close()
            result: Result[Any] = Result.failure(failed)
            return RunOutcome(self._recorder.end(self._finished(run, result)), result)
        except (KeyboardInterrupt, SystemExit):
            context.close()
            stopped = SpineError("the run was interrupted", hint="run it again")
            self._recorder.end(self._finished(run, Result.failure(stopped), RunState.CANCELLED))
            raise
        finally:
            context.close()

    def _begin(self, task: _Task, parent: str | None, step: str | None) -> Run:
        try:
            now = self.clock.now()
            run = Run(
                id=self.ids.new(),
                pipeline=task.name,
                parameters=task.stored,
                state=RunState.RUNNING,
                created_at=now,
                started_at=now,
                parent=parent,
                step=step,
                owner=self.processes.identity(),
            )
            self._recorder.begin(run)
        except Exception as error:
            raise as_spine_error(error, doing=f"beginning {task.name}") from error
        return run

    def _conclude(self, context: RunContext, task: _Task, *, may_repeat: bool) -> RunOutcome | None:
        """Do the work, then commit its writes with its outcome, or record the failure alone."""
        started = self.clock.monotonic()
        attempted = self._attempt(context, task)
        result = wanted = attempted.timed(self.clock.monotonic() - started)
        run = self._finished(context.run, result)
        try:
            if context.finish(run, succeeded=result.ok):
                return RunOutcome(run, result)
        except Exception as error:
            log.debug("commit failed", exc_info=True)
            failed = as_spine_error(error, doing=f"committing run {run.id}").within(context.where)
            result = Result.failure(failed, warnings=result.warnings).timed(result.duration)
        context.close()
        if may_repeat and _own_conflict(result.error, run):
            log.info("run %s is done again: %s", run.id, result.error)
            return None
        recorded = self._recorder.end(self._finished(context.run, result))
        # A commit may raise when it has taken effect: what run history says counts.
        took_effect = (recorded.state, recorded.finished_at) == (run.state, run.finished_at)
        return RunOutcome(recorded, wanted if took_effect else result)

    def _attempt(self, context: RunContext, task: _Task) -> Result[Any]:
        try:
            result = _as_result(task.work(context))
        except SystemExit as error:
            context.close()
            result = Result.failure(
                TransformError(
                    f"pipeline {task.name} asked the process to exit ({error.code})",
                    hint="return Result.failure(...) instead of calling sys.exit",
                )
            )
        except Exception as error:
            context.discard()  # what a raising pipeline wrote is never kept
            if not isinstance(error, SpineError):
                # As text, because the values of secret parameters may stand in it.
                log.error(  # noqa: TRY400
                    "pipeline %s failed\n%s", task.name, task.masking.text(traceback.format_exc())
                )
            result = Result.failure(as_spine_error(error, doing=f"pipeline {task.name}"))
        if result.error is not None:
            result.error.within(context.where)
        return task.masking.result(replace(result, warnings=(*context.warnings, *result.warnings)))

    def _finished(self, run: Run, result: Result[Any], state: RunState | None = None) -> Run:
        return replace(
            run,
            state=state or (RunState.SUCCEEDED if result.ok else RunState.FAILED),
            finished_at=self.clock.now(),
            metrics=result.metrics,
            warnings=result.warnings,
            error=result.error,
        )

    # Workflows

    def _steps(self, graph: Workflow, given: Mapping[str, Any], secret: Collection[str]) -> Work:
        def work(context: RunContext) -> Result[Any]:
            runs: dict[str, Run] = {}
            for step in graph.steps:
                blocked = [n for n in step.after if runs[n].state is not RunState.SUCCEEDED]
                outcome = (
                    self._skip(context, step, blocked)
                    if blocked
                    else self._run_step(context, step, filled(step, given), secret)
                )
                runs[step.name] = outcome.run
            return _summary(graph, runs)

        return work

    def _run_step(
        self,
        context: RunContext,
        step: Step,
        parameters: Mapping[str, Any],
        secret: Collection[str],
    ) -> RunOutcome:
        if step.pipeline is not None:
            return context.execute(step.pipeline, parameters, step=step.name)
        function = step.run
        assert callable(function)  # noqa: S101  # a Step runs a name or a function, by its type
        hidden = {name for name, value in step.parameters.items() if reference(value) in secret}
        task = _Task.of(
            f"{context.run.pipeline}.{step.name}",
            _specs(parameters, hidden),
            parameters,
            lambda inner: function(inner, **parameters),
        )
        return self._run(task, context.force, context.run_id, step.name)

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
        undisturbed(lambda: self._add(run))
        return RunOutcome(run, Result.success(warnings=run.warnings))

    def _add(self, run: Run) -> None:
        with self.store.write() as unit:
            unit.runs.add(run)
            unit.commit()


def _own_conflict(error: SpineError | None, run: Run) -> bool:
    """Whether the store ended this run's transaction; a child's has been repeated already."""
    return isinstance(error, ConflictError) and error.context.run == run.id


def _specs(names: Collection[str], secret: Collection[str]) -> tuple[ParameterSpec, ...]:
    """Parameters of any type, the secret ones marked."""
    return tuple(ParameterSpec(name, Any, doc=Param(secret=name in secret)) for name in names)


def _summary(graph: Workflow, runs: Mapping[str, Run]) -> Result[Any]:
    failed = [name for name, run in runs.items() if run.state is not RunState.SUCCEEDED]
    metrics = {"steps": len(runs), "steps_succeeded": len(runs) - len(failed)}
    value = {
        "steps": [
            {"step": name, "runs": run.pipeline, "state": run.state.value, "run": run.id}
            for name, run in runs.items()
        ]
    }
    if not failed:
        return Result.success(value, metrics=metrics)
    error = SpineError(
        f"{len(failed)} of {len(runs)} steps of {graph.name} did not succeed: "
        + ", ".join(f"{name} {runs[name].state.value}" for name in failed)
        + "".join(f"; {name}: {e.message}" for name in failed if (e := runs[name].error)),
        category=Category.TRANSFORM,
        hint="mend it and run the workflow again; what is done already is recognised",
        cause=next((runs[name].error for name in failed if runs[name].error), None),
    )
    return Result(value, error, metrics)


def _as_result(returned: Any) -> Result[Any]:
    """A pipeline may return the envelope itself, a mapping of metrics, or nothing."""
    if returned is None:
        return Result.success()
    if isinstance(returned, Mapping):
        returned = Result.success(metrics=returned)
    if not isinstance(returned, Result):
        raise TypeError(
            "a pipeline returns a Result, a mapping of metrics or None, not "
            + type(returned).__name__
        )
    metrics = {name: _metric(name, value) for name, value in returned.metrics.items()}
    return replace(returned, metrics=metrics)


def _metric(name: str, value: Any) -> Any:
    """A metric that every store and reader can take: what JSON has no number for is null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"metric {name!r} is a {type(value).__name__}, not a number or text")
