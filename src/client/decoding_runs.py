"""Runs, and what happened to them, from their messages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from ..domain.captures import LineageEdge, Partition
from ..domain.errors import Category
from ..domain.plans import Plan, PlannedStep
from ..domain.queueing import Job, Progress, QueueState
from ..domain.retries import NO_RETRY, Retry
from ..domain.run_statistics import Purged, RunStatistics, StatisticsReport
from ..domain.runs import EventKind, LogLine, Run, RunEvent, RunState, Trigger
from ..v1 import (
    retry_policy_pb2,
    run_event_pb2,
    run_pb2,
    run_service_pb2,
    run_statistics_pb2,
    workflow_pb2,
)
from .decoding_errors import error_of
from .decoding_values import (
    day,
    known_words,
    last_part,
    moment,
    optional_id,
    optional_word,
    seconds,
    set_moment,
    set_seconds,
    value_of,
    values_of,
    word,
)

_ROLES = {
    run_service_pb2.LineageEdge.ROLE_INPUT: "INPUT",
    run_service_pb2.LineageEdge.ROLE_OUTPUT: "OUTPUT",
}


@dataclass(frozen=True, slots=True)
class RunStanding:
    """A run as it stands: how far it is, and how it waits or by whom it is held.

    ``progress`` is None unless it is executed and tells; ``job`` unless it is live and executed
    by a process, and where it was not asked for.
    """

    run: Run
    progress: Progress | None = None
    job: Job | None = None


def standing_of(message: run_pb2.Run) -> RunStanding:
    """A run with its progress and its place in the queue, as far as the message has them."""
    return RunStanding(
        run_of(message),
        progress_of(message.progress) if message.HasField("progress") else None,
        job_of(last_part(message.name), message.queue) if message.HasField("queue") else None,
    )


def run_of(message: run_pb2.Run) -> Run:
    """The run of a message."""
    return Run(
        id=last_part(message.name),
        pipeline=message.pipeline,
        parameters=values_of(message.parameters),
        state=word(RunState, message, "state"),
        created_at=set_moment(message, "create_time"),
        started_at=moment(message, "start_time"),
        finished_at=moment(message, "end_time"),
        parent=optional_id(message.parent_run),
        step=message.step or None,
        owner=message.owner or None,
        metrics=values_of(message.metrics),
        warnings=tuple(message.warnings),
        error=error_of(message.error) if message.HasField("error") else None,
        trigger=word(Trigger, message, "trigger"),
        partition=message.partition or None,
        item=message.item if message.HasField("item") else None,
        attempt=message.attempt,
        force=message.force,
        output=value_of(message.output) if message.HasField("output") else None,
        plan=plan_of(message.plan).to_dict() if message.HasField("plan") else None,
        retry_of=optional_id(message.retry_of),
        backfill=optional_id(message.backfill),
        cancel_requested_at=moment(message, "cancel_request_time"),
    )


def plan_of(message: run_pb2.Plan) -> Plan:
    """The plan of a workflow's run."""
    return _plan(message.steps)


def _plan(steps: Iterable[workflow_pb2.WorkflowStep]) -> Plan:
    return Plan(tuple(_step(step) for step in steps))


def _step(message: workflow_pb2.WorkflowStep) -> PlannedStep:
    return PlannedStep(
        name=message.name,
        pipeline=message.pipeline,
        parameters=values_of(message.parameters),
        after=tuple(message.after),
        when=message.when or None,
        each=message.each or None,
        retry=retry_of(message.retry),
        timeout=seconds(message, "timeout"),
        pool=message.pool,
        even_if_skipped=message.even_if_skipped,
        key=message.key or None,
        partition=message.partition or None,
        plan=_plan(message.steps) if message.steps else None,
    )


def retry_of(message: retry_policy_pb2.RetryPolicy) -> Retry:
    """When failed work is done again. Categories that this version does not know are left out."""
    fixed = message.backoff == retry_policy_pb2.RetryPolicy.BACKOFF_FIXED
    return Retry(
        attempts=message.attempts,
        delay=set_seconds(message, "delay"),
        backoff="fixed" if fixed else "exponential",
        longest=set_seconds(message, "longest"),
        categories=known_words(Category, message, "categories"),
    )


def progress_of(message: run_pb2.RunProgress) -> Progress:
    """How far a run is."""
    total = message.total if message.HasField("total") else None
    return Progress(message.label, message.done, total, message.unit)


def job_of(run_id: str, message: run_pb2.QueueEntry) -> Job:
    """The run of that id as the queue sees it."""
    return Job(
        run=run_id,
        pipeline=message.pipeline,
        ranked_at=set_moment(message, "rank_time"),
        state=word(QueueState, message, "state"),
        pool=message.pool,
        priority=message.priority,
        ready_at=moment(message, "ready_time"),
        key=message.key or None,
        attached=message.attached,
        timeout=seconds(message, "timeout"),
        retry=retry_of(message.retry) if message.HasField("retry") else NO_RETRY,
        failures=message.failures,
        losses=message.losses,
        attempt=message.attempt,
        owner=message.owner or None,
        lease_until=moment(message, "lease_expire_time"),
        cancel_requested=message.cancel_requested,
    )


def event_of(message: run_event_pb2.RunEvent) -> RunEvent | None:
    """The event of a message; None for a kind that this version does not know."""
    kind = optional_word(EventKind, message, "kind")
    if kind is None:
        return None
    return RunEvent(
        run=last_part(message.run),
        kind=kind,
        at=set_moment(message, "time"),
        attempt=message.attempt,
        fence=message.fence,
        owner=message.owner or None,
        detail=values_of(message.detail),
        key=message.number,
    )


def line_of(message: run_event_pb2.LogLine) -> LogLine:
    """One line that a run has logged."""
    at = set_moment(message, "time")
    return LogLine(last_part(message.run), message.number, at, message.level, message.text)


def edge_of(message: run_service_pb2.LineageEdge) -> LineageEdge:
    """What a run did with a capture."""
    return LineageEdge(
        run=last_part(message.run),
        capture=last_part(message.capture),
        role=_ROLES.get(message.role, "UNKNOWN"),
        partition=_partition(message.domain, message.partition),
    )


def _partition(domain: str, text: str) -> Partition | None:
    if not text:
        return None
    period, _, segment = text.partition("/")
    return Partition(domain, date.fromisoformat(period), segment)


def report_of(message: run_service_pb2.GetRunStatisticsResponse) -> StatisticsReport:
    """How runs went."""
    return StatisticsReport(
        by_pipeline=[_statistics(item) for item in message.by_pipeline],
        by_day=[_statistics(item) for item in message.by_day],
        total=_statistics(message.total),
    )


def _statistics(message: run_statistics_pb2.RunStatistics) -> RunStatistics:
    return RunStatistics(
        pipeline=message.pipeline or None,
        day=day(message, "day"),
        counts={word(RunState, item, "state"): item.runs for item in message.counts},
        p50=seconds(message, "p50"),
        p95=seconds(message, "p95"),
    )


def purged_of(message: run_service_pb2.PurgeRunsResponse) -> Purged:
    """What was deleted."""
    return Purged(message.runs, message.kept, message.events, message.lines)
