"""A run as a row, and the row as a run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from ....domain.errors import SpineError
from ....domain.runs import Run, RunState, Trigger
from .json_text import from_text, to_text
from .schema_runs import RUNS


def new_row(run: Run, plans: dict[int, str]) -> dict[str, Any]:
    """All columns of a run.

    ``plans`` are texts of plans by their identity: runs that are added together often share one.
    """
    plan = None
    if run.plan is not None and (plan := plans.get(id(run.plan))) is None:
        plan = plans[id(run.plan)] = to_text(run.plan, f"the plan of run {run.id}")
    return {
        "run_id": run.id,
        "pipeline": run.pipeline,
        "parameters_json": to_text(run.parameters, f"the parameters of run {run.id}"),
        "created_at": run.created_at,
        "parent_id": run.parent,
        "step_name": run.step,
        "trigger_kind": run.trigger.value,
        "item_no": run.item,
        "attempt_no": run.attempt,
        "forced": int(run.force),
        "plan_json": plan,
        "retry_of_id": run.retry_of,
        "backfill_id": run.backfill,
        "cancel_requested_at": run.cancel_requested_at,
        **outcome_row(run),
    }


def outcome_row(run: Run) -> dict[str, Any]:
    """The columns that the end of a run writes."""
    error = run.error
    return {
        "run_state": run.state.value,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "purgeable_at": _ended_at(run) if run.state.final else None,
        "owner_id": run.owner,
        "metrics_json": to_text(run.metrics, f"the metrics of run {run.id}"),
        "warnings_json": to_text(list(run.warnings), f"the warnings of run {run.id}"),
        "error_json": _optional(error and error.to_dict(), f"the error of run {run.id}"),
        "error_category": error and error.category.value,
        "output_json": _optional(run.output, f"the output of run {run.id}"),
        "partition_name": run.partition,
    }


RUN_COLUMNS = (
    RUNS.c.run_id,
    RUNS.c.pipeline,
    RUNS.c.parameters_json,
    RUNS.c.run_state,
    RUNS.c.created_at,
    RUNS.c.started_at,
    RUNS.c.finished_at,
    RUNS.c.parent_id,
    RUNS.c.step_name,
    RUNS.c.owner_id,
    RUNS.c.metrics_json,
    RUNS.c.warnings_json,
    RUNS.c.error_json,
    RUNS.c.trigger_kind,
    RUNS.c.partition_name,
    RUNS.c.item_no,
    RUNS.c.attempt_no,
    RUNS.c.forced,
    RUNS.c.output_json,
    RUNS.c.plan_json,
    RUNS.c.retry_of_id,
    RUNS.c.backfill_id,
    RUNS.c.cancel_requested_at,
)


def run_of(row: Sequence[Any]) -> Run:
    """The run in a row of RUN_COLUMNS, which are those of a Run, in its order."""
    # By place: to ask a row for 23 names takes as long as all the rest.
    (
        run_id,
        pipeline,
        parameters,
        state,
        created_at,
        started_at,
        finished_at,
        parent,
        step,
        owner,
        metrics,
        warnings,
        error,
        trigger,
        partition,
        item,
        attempt,
        forced,
        output,
        plan,
        retry_of,
        backfill,
        cancel_requested_at,
    ) = row
    return Run(
        run_id,
        pipeline,
        from_text(parameters),
        RunState(state),
        created_at,
        started_at,
        finished_at,
        parent,
        step,
        owner,
        from_text(metrics),
        tuple(from_text(warnings)),
        None if error is None else SpineError.from_dict(from_text(error)),
        Trigger.COMMAND if trigger is None else Trigger(trigger),
        partition,
        item,
        attempt or 0,
        forced == 1,
        None if output is None else from_text(output),
        None if plan is None else _plan(plan),
        retry_of,
        backfill,
        cancel_requested_at,
    )


def _ended_at(run: Run) -> datetime | None:
    """When it was finished; of a step that was done by an earlier run, when it was taken over."""
    return run.finished_at and max(run.finished_at, run.created_at)


def _optional(value: Any, what: str) -> str | None:
    return None if value is None else to_text(value, what)


@lru_cache(maxsize=64)
def _plan(text: str) -> Any:
    """Runs of one workflow have one plan; nobody changes it."""
    return from_text(text)
