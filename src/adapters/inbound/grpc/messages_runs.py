"""Runs, and what happened to them, as messages of the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....domain.captures import LineageEdge
from ....domain.parameters import refers_to_secret
from ....domain.plans import Plan, PlannedStep
from ....domain.queueing import Job, Progress
from ....domain.redaction import redact_mapping
from ....domain.retries import Retry
from ....domain.run_statistics import RunStatistics
from ....domain.runs import LogLine, Run, RunEvent
from ....v1 import (
    retry_policy_pb2,
    run_event_pb2,
    run_pb2,
    run_service_pb2,
    run_statistics_pb2,
    value_pb2,
    workflow_pb2,
)
from .messages_errors import error_message
from .resource_names import BACKFILLS, CAPTURES, RUNS, name_of, run_name
from .values import date_message, duration_message, timestamp_message, value_map, value_message


def run_message(
    run: Run, *, progress: Progress | None = None, job: Job | None = None
) -> run_pb2.Run:
    """The resource for a run. Parameters are masked once more: they were given by people."""
    return run_pb2.Run(
        name=run_name(run.id),
        pipeline=run.pipeline,
        parameters=_parameters(run.parameters),
        state=f"STATE_{run.state.value}",
        create_time=timestamp_message(run.created_at),
        start_time=timestamp_message(run.started_at),
        end_time=timestamp_message(run.finished_at),
        duration=duration_message(run.duration),
        parent_run=name_of(RUNS, run.parent),
        step=run.step or "",
        owner=run.owner or "",
        metrics=value_map(run.metrics),
        warnings=run.warnings,
        error=error_message(run.error) if run.error else None,
        trigger=f"TRIGGER_{run.trigger.value}",
        partition=run.partition or "",
        item=run.item,
        attempt=run.attempt,
        force=run.force,
        output=None if run.output is None else value_message(run.output),
        plan=None if run.plan is None else _plan_message(run.plan),
        retry_of=name_of(RUNS, run.retry_of),
        backfill=name_of(BACKFILLS, run.backfill),
        cancel_request_time=timestamp_message(run.cancel_requested_at),
        progress=None if progress is None else progress_message(progress),
        queue=None if job is None else queue_message(job),
    )


def progress_message(progress: Progress) -> run_pb2.RunProgress:
    """How far a run is."""
    return run_pb2.RunProgress(
        label=progress.label, done=progress.done, total=progress.total, unit=progress.unit
    )


def queue_message(job: Job) -> run_pb2.QueueEntry:
    """How a run waits, or is held."""
    return run_pb2.QueueEntry(
        state=f"STATE_{job.state.value}",
        pool=job.pool,
        priority=job.priority,
        ready_time=timestamp_message(job.ready_at),
        key=job.key or "",
        owner=job.owner or "",
        lease_expire_time=timestamp_message(job.lease_until),
        failures=job.failures,
        losses=job.losses,
        attempt=job.attempt,
        cancel_requested=job.cancel_requested,
        rank_time=timestamp_message(job.ranked_at),
        attached=job.attached,
        pipeline=job.pipeline,
        timeout=duration_message(job.timeout),
        retry=None if job.retry.attempts == 1 else retry_message(job.retry),
    )


def event_message(event: RunEvent) -> run_event_pb2.RunEvent:
    """One change of a run."""
    return run_event_pb2.RunEvent(
        run=run_name(event.run),
        number=event.key,
        kind=f"KIND_{event.kind.value}",
        time=timestamp_message(event.at),
        attempt=event.attempt,
        owner=event.owner or "",
        detail=value_map(event.detail),
        fence=event.fence,
    )


def line_message(line: LogLine) -> run_event_pb2.LogLine:
    """One line that a run has logged."""
    return run_event_pb2.LogLine(
        run=run_name(line.run),
        number=line.number,
        time=timestamp_message(line.at),
        level=line.level,
        text=line.text,
    )


def lineage_message(edge: LineageEdge) -> run_service_pb2.LineageEdge:
    """What a run did with a capture."""
    return run_service_pb2.LineageEdge(
        run=run_name(edge.run),
        capture=name_of(CAPTURES, edge.capture),
        role=f"ROLE_{edge.role}",
        partition=str(edge.partition) if edge.partition else "",
        domain=edge.partition.domain if edge.partition else "",
    )


def statistics_message(item: RunStatistics) -> run_statistics_pb2.RunStatistics:
    """How some runs went."""
    return run_statistics_pb2.RunStatistics(
        pipeline=item.pipeline or "",
        day=date_message(item.day),
        counts=[
            run_statistics_pb2.StateCount(state=f"STATE_{state.value}", runs=runs)
            for state, runs in item.counts.items()
        ],
        p50=duration_message(item.p50),
        p95=duration_message(item.p95),
    )


def step_message(step: PlannedStep) -> workflow_pb2.WorkflowStep:
    """One node of a graph, with the graph inside it."""
    return workflow_pb2.WorkflowStep(
        name=step.name,
        pipeline=step.pipeline,
        parameters=_parameters(step.parameters),
        after=step.after,
        when=step.when or "",
        each=step.each or "",
        retry=retry_message(step.retry),
        timeout=duration_message(step.timeout),
        pool=step.pool,
        even_if_skipped=step.even_if_skipped,
        key=step.key or "",
        partition=step.partition or "",
        steps=[] if step.plan is None else [step_message(inner) for inner in step.plan.steps],
    )


def retry_message(retry: Retry) -> retry_policy_pb2.RetryPolicy:
    """When failed work is done again."""
    return retry_policy_pb2.RetryPolicy(
        attempts=retry.attempts,
        delay=duration_message(retry.delay),
        backoff=f"BACKOFF_{retry.backoff.upper()}",
        longest=duration_message(retry.longest),
        categories=[f"ERROR_CATEGORY_{item.value}" for item in retry.categories],
    )


def _parameters(given: Mapping[str, Any]) -> dict[str, value_pb2.Value]:
    """Parameters, masked; what only says where a secret is kept is none."""
    masked = redact_mapping(given)
    return {
        name: value_message(value if refers_to_secret(value) else masked[name])
        for name, value in given.items()
    }


def _plan_message(plan: Mapping[str, Any]) -> run_pb2.Plan:
    read = Plan.from_dict(plan)
    return run_pb2.Plan(steps=[step_message(step) for step in read.steps])
