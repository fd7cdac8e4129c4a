"""Run a pipeline or workflow by name, here and now: typed parameters in, its outcome out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from ..domain.errors import SpineError, as_spine_error
from ..domain.plans import Plan
from ..domain.queueing import Lease, private_pool
from ..domain.result import Result
from ..domain.runs import Run, RunFilter, RunState, Trigger
from ..ports.execution import Answer, Execution, Task
from ..ports.runtime import Ids, Processes
from .catalog import Catalog
from .context import RunOutcome
from .execute_run import ExecuteRun
from .heartbeat import Heartbeat
from .lifecycle import Lifecycle
from .run_recorder import RunRecorder
from .stored_runs import stored_run
from .submissions import Prepared, Submission, prepared
from .unit_attempts import undisturbed
from .vault import Vault
from .worker import Worker, WorkerOptions
from .workflow_moves import MOST_ITEMS

log = logging.getLogger(__name__)

_POLL = 0.05  # seconds

Execute = Callable[[Task], Answer]
"""Executes a claimed run, and records its outcome unless it answers it."""


@dataclass(frozen=True, slots=True)
class RunPipeline:
    """Runs belong to this process: it executes them, and waits for them.

    The steps of a workflow are executed by what ``executions`` makes. Where steps may run at the
    same time, or have a time-out, it is what ``apart`` makes, ``jobs`` at once.
    """

    execute: ExecuteRun
    lifecycle: Lifecycle
    ids: Ids
    processes: Processes
    executions: Callable[[Execute], Execution]
    apart: Callable[[Execute], Execution] | None = None
    jobs: int = 1
    lease: timedelta = timedelta(seconds=30)
    owner: str | None = None
    """Who renews the leases; without one it is this process."""
    _recorder: RunRecorder = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_recorder", self.execute.recorder)

    @property
    def catalog(self) -> Catalog:
        return self.execute.catalog

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
        submission = Submission(
            name,
            parameters or {},
            force=force,
            trigger=Trigger.COMMAND if parent is None else Trigger.PART,
            parent=parent,
            step=step,
        )
        try:
            item = prepared(
                self.catalog, self.ids, submission, self.execute.clock.now(), attached=True
            )
        except Exception as error:
            raise as_spine_error(error, doing=f"beginning {name}") from error
        return self.attached(item)

    def attached(self, item: Prepared) -> RunOutcome:
        """Run what was prepared to be attached to this process."""
        try:
            owner = self.owner or self.processes.identity()
            run = self._recorder.begin(item, owner, self.lease)
        except Exception as error:
            raise as_spine_error(error, doing=f"beginning {item.run.pipeline}") from error
        if item.plan is not None:
            return self._drive(run, item, owner)
        if self.owner is not None or run.parent is not None:
            # Whoever executes the run that this one is a part of renews its lease as well.
            return self.execute(run, Lease(run.id, owner, 1), item.secrets, self)
        with Heartbeat(self.execute.store, self.execute.clock, owner, self.lease):
            return self.execute(run, Lease(run.id, owner, 1), item.secrets, self)

    # Workflows

    def _drive(self, run: Run, item: Prepared, owner: str) -> RunOutcome:
        """Execute the steps of a workflow until it is over."""
        vault = Vault(self.execute.store, {run.id: item.secrets})
        assert item.plan is not None  # noqa: S101  # only workflows are driven
        apart = self.apart if item.plan.side_by_side else None
        execution = (apart or self.executions)(
            lambda task: self.execute.task(task, vault.kept(task.run), self)
        )
        options = WorkerOptions(
            owner, self.jobs if apart else 1, {private_pool(run.id): None}, self.lease, poll=_POLL
        )
        worker = Worker(
            self.execute.store,
            self.execute.clock,
            self.catalog,
            self.lifecycle,
            execution,
            options,
            lambda job: vault.kept(job.run),
        )
        started = self.execute.clock.monotonic()
        try:
            worker.run(until=lambda: stored_run(self.execute.store, run.id).state.final)
        except BaseException:
            execution.close()
            self._give_up(run)
            raise
        execution.close()
        return self._outcome(run.id, self.execute.clock.monotonic() - started)

    def _give_up(self, run: Run) -> None:
        """Leave nothing of the workflow live: nobody else executes its steps."""

        def write() -> None:
            with self.execute.store.write() as unit:
                self.lifecycle.cancel(unit, run.id)
                self.lifecycle.release_tree(unit, run.id)
                unit.commit()

        try:
            undisturbed(write)
        except SpineError as error:
            log.error("run %s is not closed yet: %s", run.id, error)  # noqa: TRY400  # typed, and said in full

    def _outcome(self, run_id: str, seconds: float) -> RunOutcome:
        run = stored_run(self.execute.store, run_id)
        assert run.plan is not None  # noqa: S101  # it is a workflow's
        with self.execute.store.read() as unit:
            parts = unit.runs.list(RunFilter(parent=run_id, limit=MOST_ITEMS))
        order = {step.name: place for place, step in enumerate(Plan.from_dict(run.plan).steps)}
        steps = sorted(parts, key=lambda part: (order[part.step or ""], part.item or 0))
        value = {
            "steps": [
                {
                    "step": part.step if part.item is None else f"{part.step}[{part.item}]",
                    "runs": part.pipeline,
                    "state": part.state.value,
                    "run": part.id,
                }
                for part in steps
            ]
        }
        ok = run.state is RunState.SUCCEEDED
        result: Result[Any] = Result(value, None if ok else run.error, run.metrics, run.warnings)
        return RunOutcome(run, result.timed(seconds))
