"""The dispatcher over a store in memory, and what its runs left there."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from dispatching import dispatcher

from market_spine.adapters.inbound.cli.progress import TerminalProgress
from market_spine.adapters.outbound.sources.registry import SourceRegistry
from market_spine.application.context import RunContext
from market_spine.application.read_datasets import ReadDatasets
from market_spine.domain.captures import Capture, CaptureFilter, Partition
from market_spine.domain.pipelines import Pipeline, pipeline
from market_spine.domain.registry import Registry
from market_spine.domain.runs import Run, RunFilter
from market_spine.domain.workflows import Workflow
from market_spine.testing.memory_store import MemoryStore
from market_spine.testing.steady_runtime import CountingIds, KnownProcesses, TickingClock


class House:
    """A dispatcher over a store in memory, and what it left there."""

    def __init__(self, *things: Pipeline | Workflow) -> None:
        self.clock = TickingClock()
        self.store = MemoryStore(self.clock.now)
        self.processes = KnownProcesses()
        pipelines: Registry[Pipeline] = Registry("pipeline")
        workflows: Registry[Workflow] = Registry("workflow")
        for thing in things:
            if isinstance(thing, Workflow):
                workflows.add(thing)
            else:
                pipelines.add(thing)
        self.sources = SourceRegistry()
        self.run = dispatcher(
            store=self.store,
            sources=self.sources,
            datasets=ReadDatasets(self.store, Registry("dataset")),
            clock=self.clock,
            ids=CountingIds(),
            processes=self.processes,
            progress=TerminalProgress(enabled=False),
            pipelines=pipelines,
            workflows=workflows,
        )

    def runs(self) -> list[Run]:
        """All runs, oldest first."""
        with self.store.read() as unit:
            return list(unit.runs.list(RunFilter(limit=1000)))[::-1]

    def captures(self) -> list[str]:
        with self.store.read() as unit:
            return sorted(capture.id for capture in unit.captures.list(CaptureFilter()))


def returning(value: Any) -> Pipeline:
    @pipeline("demo.returning")
    def work(context: RunContext) -> Any:
        return value

    return work


def add_capture(context: RunContext, name: str) -> None:
    context.unit_of_work().captures.add(
        Capture(
            id=name,
            partition=Partition("demo", date(2025, 11, 10), "X"),
            digest=name,
            captured_at=datetime(2026, 1, 1, tzinfo=UTC),
            source_updated_on=None,
            source_name="made",
            source_type="memory",
            source_options={},
            run=context.run_id,
            bytes=0,
        )
    )
