"""What the durable runs of the crash tests do, and the application around it, wired by hand.

Without the container, whose imports take longer than all that is done here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from uuid import uuid4

from market_spine.adapters.outbound.execution.inline import InlineExecution
from market_spine.adapters.outbound.sources.registry import SourceRegistry
from market_spine.adapters.outbound.system.runtime import (
    LocalProcesses,
    SystemChance,
    SystemClock,
    UuidIds,
)
from market_spine.application.backfill_progression import BackfillProgression
from market_spine.application.backfills import BackfillRequest, CreateBackfill
from market_spine.application.cancel_run import CancelRun
from market_spine.application.catalog import Catalog
from market_spine.application.context import RunContext
from market_spine.application.execute_run import ExecuteRun
from market_spine.application.lifecycle import Lifecycle
from market_spine.application.progression import Progression
from market_spine.application.read_datasets import ReadDatasets
from market_spine.application.run_pipeline import RunPipeline
from market_spine.application.run_recorder import RunRecorder
from market_spine.application.submissions import Submission
from market_spine.application.submit_run import SubmitRun
from market_spine.application.worker import Worker, WorkerOptions
from market_spine.domain.captures import Capture, Partition
from market_spine.domain.errors import Category, SourceError, SpineError
from market_spine.domain.parameters import Param
from market_spine.domain.partitions import days
from market_spine.domain.pipelines import Pipeline, pipeline
from market_spine.domain.queueing import Capacity
from market_spine.domain.registry import Registry
from market_spine.domain.result import Result
from market_spine.domain.retries import Retry
from market_spine.domain.runs import Run, RunFilter, RunState
from market_spine.domain.workflows import Step, Workflow, workflow
from market_spine.ports.execution import Execution, Task
from market_spine.ports.runtime import Processes
from market_spine.ports.storage import Store
from market_spine.testing.steady_runtime import KnownSecrets

LEASE = timedelta(seconds=1)
POLL = 0.05
DAY = date(2025, 11, 10)
NOWHERE = "nowhere"
LOST_BEFORE = "elsewhere/1//x"
"""The process that has lost a run before the scene begins."""
AGAIN = Retry(attempts=4, delay=0, backoff="fixed", categories=tuple(Category))
"""Also after an error that says of itself that a repeat is no use, as an unknown one does."""

RENEWED = threading.Event()
"""Set by a store that is watched when leases were renewed; nobody waits for it otherwise."""
RENEWED.set()


def leave_trace(context: RunContext, name: str) -> None:
    """Write what shows afterwards how often a run has taken effect."""
    unit = context.unit_of_work()
    partition = Partition("demo", DAY, name)
    unit.lock(partition)
    unit.captures.add(
        Capture(
            id=str(uuid4()),
            partition=partition,
            digest=name,
            captured_at=datetime.now(UTC),
            source_updated_on=None,
            source_name=name,
            source_type="memory",
            source_options={},
            run=context.run_id,
            bytes=0,
        )
    )


@pipeline("demo.left", retry=AGAIN)
def left(context: RunContext) -> None:
    """What a process on another machine has left undone."""
    leave_trace(context, "left")


@pipeline("demo.keyed", retry=AGAIN, key="account {account}")
def keyed(context: RunContext, account: str, number: int) -> None:
    """One at a time for each account."""
    leave_trace(context, f"keyed {account} {number}")


@pipeline("demo.unwanted", retry=AGAIN, pool=NOWHERE)
def unwanted(context: RunContext) -> None:
    """Waits for a worker that there is not, until it is cancelled."""
    leave_trace(context, "unwanted")


@pipeline("demo.day", retry=AGAIN, partition="{day}", partitions=days("day"))
def one_day(context: RunContext, day: Annotated[date, Param("Which day")]) -> None:
    """A partition of the backfill."""
    leave_trace(context, f"day {day}")


def fetch(context: RunContext) -> Result[list[int]]:
    if context.run.attempt == 1:
        raise SourceError("the source hiccups", category=Category.TRANSIENT)
    leave_trace(context, "fetch")
    return Result.success([10, 20])


def beside(context: RunContext) -> None:
    RENEWED.wait(10 * LEASE.total_seconds())
    leave_trace(context, "beside")


def unneeded(context: RunContext) -> None:
    leave_trace(context, "unneeded")


def part(context: RunContext, amount: int) -> Mapping[str, int]:
    leave_trace(context, f"part {amount}")
    return {"doubled": 2 * amount}


REPORT = workflow(
    "demo.report",
    Step("fetch", fetch, retry=AGAIN),
    Step("beside", beside, retry=AGAIN),
    Step("unneeded", unneeded, after=("fetch",), when="${thorough} == true", retry=AGAIN),
    Step(
        "part",
        part,
        {"amount": "${item}"},
        after=("fetch",),
        each="${steps.fetch}",
        retry=AGAIN,
    ),
)

REQUESTS = (
    Submission("demo.report", {"thorough": False}, request="report"),
    Submission("demo.keyed", {"account": "A", "number": 1}, request="keyed 1"),
    Submission("demo.keyed", {"account": "A", "number": 2}, request="keyed 2"),
    Submission("demo.unwanted", request="unwanted"),
)
DAYS = BackfillRequest("demo.day", DAY, DAY + timedelta(days=2), max_active=2)


class Unshown:
    """Progress that nobody looks at."""

    @contextmanager
    def task(
        self, label: str, *, total: int | None = None, unit: str = ""
    ) -> Iterator[UnshownTask]:
        yield UnshownTask()


class UnshownTask:
    def advance(self, amount: int = 1) -> None: ...

    def describe(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class House:
    """The application over a store, in this process."""

    store: Store
    run_pipeline: RunPipeline

    @classmethod
    def over(cls, store: Store, processes: Processes | None = None) -> House:
        clock, ids = SystemClock(), UuidIds()
        pipelines: Registry[Pipeline] = Registry("pipeline")
        for item in (left, keyed, unwanted, one_day):
            pipelines.add(item)
        workflows: Registry[Workflow] = Registry("workflow")
        workflows.add(REPORT)
        processes = processes or LocalProcesses()
        progression = Progression(ids, BackfillProgression(ids))
        lifecycle = Lifecycle(progression, processes, SystemChance())
        execute = ExecuteRun(
            store=store,
            sources=SourceRegistry(),
            datasets=ReadDatasets(store, Registry("dataset")),
            clock=clock,
            progress=Unshown(),
            secrets=KnownSecrets(),
            catalog=Catalog(pipelines, workflows),
            recorder=RunRecorder(store, clock, lifecycle),
        )
        return cls(store, RunPipeline(execute, lifecycle, ids, processes, InlineExecution))

    @property
    def lifecycle(self) -> Lifecycle:
        return self.run_pipeline.lifecycle

    @property
    def catalog(self) -> Catalog:
        return self.run_pipeline.catalog

    def submit(self, submission: Submission) -> Run:
        clock, ids = self.run_pipeline.execute.clock, self.run_pipeline.ids
        return SubmitRun(self.store, clock, ids, self.catalog, self.lifecycle)(submission)

    def cancel(self, run_id: str) -> Run:
        return CancelRun(self.store, self.lifecycle)(run_id)

    def plan_days(self) -> None:
        """Create the backfill, unless it is there."""
        with self.store.read() as unit:
            if unit.backfills.list():
                return
        clock, ids = self.run_pipeline.execute.clock, self.run_pipeline.ids
        CreateBackfill(self.store, clock, ids, self.catalog, self.lifecycle)(DAYS)

    def lose(self) -> None:
        """Submit a run, and let a process of another machine claim it and vanish."""
        run = self.submit(Submission("demo.left", request="left"))
        with self.store.write() as unit:
            capacity = Capacity(LOST_BEFORE, 1, timedelta(milliseconds=1), self.catalog.lanes)
            (claim,) = self.lifecycle.claim(unit, capacity)
            assert claim.run.id == run.id
            unit.commit()

    def ask(self) -> None:
        """All that the client wants; asked for again it changes nothing."""
        for submission in REQUESTS:
            run = persistent(lambda submission=submission: self.submit(submission))
            if submission.request == "unwanted":
                persistent(lambda run=run: self.cancel(run.id))
        persistent(self.plan_days)

    def owner(self) -> str:
        """The name of one more worker of this process."""
        part = self.run_pipeline.ids.new()[-8:]
        return f"{self.run_pipeline.processes.identity()}#{part}"

    def worker(self, execution: Execution | None = None, **options: Any) -> Worker:
        """A worker of this house, which executes in its own thread unless told otherwise."""
        usual = {"owner": self.owner(), "lease": LEASE, "poll": POLL, "reap": 0.2}
        return Worker(
            self.store,
            self.run_pipeline.execute.clock,
            self.catalog,
            self.lifecycle,
            execution or InlineExecution(self.execute),
            WorkerOptions(**{**usual, **options}),
        )

    def execute(self, task: Task) -> SpineError | None:
        """Execute a claimed run in this thread."""
        return self.run_pipeline.execute.task(task, task.secrets, self.run_pipeline)

    def live(self) -> list[Run]:
        """All runs that are not final."""
        with self.store.read() as unit:
            pending = unit.runs.list(RunFilter(state=RunState.PENDING))
            return [*pending, *unit.runs.list(RunFilter(state=RunState.RUNNING))]


def persistent(ask: Any) -> Any:
    """What is answered; a client that got an error asks once more."""
    try:
        return ask()
    except Exception:
        return ask()
