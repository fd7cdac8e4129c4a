"""The dispatcher over whatever ports a test gives it."""

from __future__ import annotations

from typing import Any

from market_spine.adapters.outbound.execution.inline import InlineExecution
from market_spine.application.backfill_progression import BackfillProgression
from market_spine.application.catalog import Catalog
from market_spine.application.execute_run import ExecuteRun
from market_spine.application.lifecycle import Lifecycle
from market_spine.application.progression import Progression
from market_spine.application.read_datasets import ReadDatasets
from market_spine.application.run_pipeline import RunPipeline
from market_spine.application.run_recorder import RunRecorder
from market_spine.domain.pipelines import Pipeline
from market_spine.domain.registry import Registry
from market_spine.domain.workflows import Workflow
from market_spine.ports.progress import Progress
from market_spine.ports.runtime import Clock, Ids, Processes
from market_spine.ports.sources import Sources
from market_spine.ports.storage import Store
from market_spine.testing.steady_runtime import KnownSecrets, SteadyChance


def dispatcher(
    *,
    store: Store,
    sources: Sources,
    datasets: ReadDatasets,
    clock: Clock,
    ids: Ids,
    processes: Processes,
    progress: Progress,
    pipelines: Registry[Pipeline],
    workflows: Registry[Workflow],
    **changes: Any,
) -> RunPipeline:
    """Everything that is executed is executed in the calling thread."""
    progression = Progression(ids, BackfillProgression(ids))
    lifecycle = Lifecycle(progression, processes, changes.get("chance", SteadyChance()))
    execute = ExecuteRun(
        store=store,
        sources=sources,
        datasets=datasets,
        clock=clock,
        progress=progress,
        secrets=changes.get("secrets", KnownSecrets({})),
        catalog=Catalog(pipelines, workflows),
        recorder=RunRecorder(store, clock, lifecycle),
    )
    return RunPipeline(execute, lifecycle, ids, processes, InlineExecution)
