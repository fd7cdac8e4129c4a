"""Durable runs over a store in memory: submitted, executed by workers in the calling thread."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from dispatching import dispatcher

from market_spine.adapters.inbound.cli.progress import TerminalProgress
from market_spine.adapters.outbound.execution.inline import InlineExecution
from market_spine.adapters.outbound.sources.registry import SourceRegistry
from market_spine.application.backfills import (
    CreateBackfill,
    ReadBackfills,
)
from market_spine.application.cancel_run import CancelRun
from market_spine.application.control_backfill import ControlBackfill
from market_spine.application.purge_runs import PurgeRuns
from market_spine.application.read_datasets import ReadDatasets
from market_spine.application.read_runs import ReadRuns
from market_spine.application.retry_run import RetryRun
from market_spine.application.submissions import Submission
from market_spine.application.submit_run import SubmitRun
from market_spine.application.worker import Worker, WorkerOptions
from market_spine.domain.errors import SpineError
from market_spine.domain.pipelines import Pipeline
from market_spine.domain.queueing import DEFAULT_POOL
from market_spine.domain.registry import Registry
from market_spine.domain.runs import Run, RunFilter
from market_spine.domain.workflows import Workflow
from market_spine.ports.execution import Ended, Execution, Task
from market_spine.ports.storage import Store
from market_spine.testing.faults import Faults
from market_spine.testing.memory_store import MemoryStore
from market_spine.testing.steady_runtime import (
    CountingIds,
    KnownProcesses,
    KnownSecrets,
    SteadyChance,
)

LEASE = timedelta(seconds=30)


class SetClock:
    """A clock that moves only when it is told to."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 5, 9, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def pass_by(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class DurableHouse:
    """Use cases over one store, that of the house ``beside`` if there is one.

    ``clock`` is the store's as well, where the store is the one in memory.
    """

    def __init__(
        self,
        *things: Pipeline | Workflow,
        beside: DurableHouse | None = None,
        store: Store | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.clock = beside.clock if beside else SetClock()
        self.store: Store = beside.store if beside else store or MemoryStore(self.clock.now)
        self.processes = KnownProcesses()
        if faults is not None:
            self.store = faults.on(self.store, "store")
            self.processes = faults.on(self.processes, "processes")
        self.secrets = KnownSecrets({"env:TOKEN": "sesame-open-77"})
        self.ids = beside.ids if beside else CountingIds()
        if faults is not None:
            self.ids = faults.on(self.ids, "ids")
        pipelines: Registry[Pipeline] = Registry("pipeline")
        workflows: Registry[Workflow] = Registry("workflow")
        for thing in things:
            if isinstance(thing, Workflow):
                workflows.add(thing)
            else:
                pipelines.add(thing)
        self.here = dispatcher(
            store=self.store,
            sources=SourceRegistry(),
            datasets=ReadDatasets(self.store, Registry("dataset")),
            clock=self.clock,
            ids=self.ids,
            processes=self.processes,
            progress=TerminalProgress(enabled=False),
            pipelines=pipelines,
            workflows=workflows,
            chance=SteadyChance(),
            secrets=self.secrets,
        )
        lifecycle, catalog = self.here.lifecycle, self.here.catalog
        made = (self.store, self.clock, self.ids, catalog, lifecycle)
        self.submit_run = SubmitRun(*made)
        self.retry = RetryRun(*made)
        self.cancel = CancelRun(self.store, lifecycle)
        self.purge = PurgeRuns(self.store)
        self.create_backfill = CreateBackfill(*made)
        self.control_backfill = ControlBackfill(self.store, lifecycle)
        self.backfills = ReadBackfills(self.store)
        self.read = ReadRuns(self.store)

    def submit(self, name: str, parameters: dict[str, Any] | None = None, **how: Any) -> str:
        """The id of the run."""
        return self.submit_run(Submission(name, parameters or {}, **how)).id

    def worker(
        self,
        owner: str = "here#1",
        jobs: int = 1,
        pools: dict[str, int | None] | None = None,
        execution: Execution | None = None,
        lease: timedelta = LEASE,
    ) -> Worker:
        parts = replace(self.here, owner=owner)
        here = InlineExecution(lambda task: parts.execute.task(task, task.secrets, parts))
        return Worker(
            self.store,
            self.clock,
            self.here.catalog,
            self.here.lifecycle,
            execution or here,
            WorkerOptions(owner, jobs, pools or {DEFAULT_POOL: None}, lease, poll=0.01),
        )

    def work(self, **how: Any) -> None:
        """Until nothing is left that can be taken now."""
        self.worker(**how).run(until=lambda: True)

    def run(self, run_id: str) -> Run:
        return self.read.get(run_id)

    def parts(self, run_id: str) -> dict[str, Run]:
        """The runs inside a run by step, with their items in brackets."""
        return {
            str(part.step) if part.item is None else f"{part.step}[{part.item}]": part
            for part in self.read.parts(run_id)
        }

    def states(self, run_id: str) -> dict[str, str]:
        return {name: part.state.value for name, part in self.parts(run_id).items()}

    def kinds(self, run_id: str) -> list[str]:
        return [event.kind.value for event in self.read.events(run_id)]

    def runs(self) -> list[Run]:
        with self.store.read() as unit:
            return list(unit.runs.list(RunFilter(limit=10_000)))


class Slow:
    """An execution whose answers come when the test says so."""

    isolated = True

    def __init__(self) -> None:
        self.started: list[Task] = []
        self.ended: list[Task] = []
        self.answers: list[Ended] = []

    def start(self, task: Task) -> None:
        self.started.append(task)

    def begun(self, run: str) -> bool:
        return True

    def wait(self, seconds: float) -> list[Ended]:
        found, self.answers = self.answers, []
        return found

    def end(self, run: str, why: SpineError) -> None:
        self.ended.append(self.started[-1])
        self.answers.append(Ended(self.started[-1], why))

    def close(self) -> None: ...
