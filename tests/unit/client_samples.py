"""Any objects of the domain that a server tells of, for the tests of the client."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from hypothesis import strategies as st

from market_spine.domain.access import AuditEntry, Role
from market_spine.domain.backfills import Backfill, BackfillPart, BackfillState, PartState
from market_spine.domain.captures import Capture, LineageEdge, ManifestEntry, Partition, Reject
from market_spine.domain.captures import Stage as CaptureStage
from market_spine.domain.errors import (
    Category,
    ConfigurationError,
    ErrorContext,
    ForeignCause,
    LoadError,
    SourceError,
    SpineError,
    TransformError,
    ValidationError,
)
from market_spine.domain.partitions import PartitionKey, PartitionState, Surveyed
from market_spine.domain.plans import Plan, PlannedStep
from market_spine.domain.quality import CheckResult, CheckStatus, QualityResult, Severity
from market_spine.domain.queueing import Job, Progress, QueueState
from market_spine.domain.redaction import redact, redact_mapping
from market_spine.domain.retries import Retry
from market_spine.domain.run_statistics import RunStatistics, StatisticsReport
from market_spine.domain.runs import EventKind, LogLine, Run, RunEvent, RunState, Trigger

TYPES = [SpineError, SourceError, TransformError, LoadError, ValidationError, ConfigurationError]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
some_text = texts.filter(bool)
maybe_text = st.none() | some_text
ids = st.from_regex(r"[A-Za-z0-9._~-]{1,36}", fullmatch=True)
numbers = st.integers(0, 2**31 - 1)
counts = st.integers(0, 2**63 - 1)
seconds = st.integers(0, 10**12).map(lambda ms: ms / 1000)
days = st.dates(date(1, 1, 1), date(9999, 12, 31))
times = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def _open(given: Mapping[str, Any]) -> bool:
    """Without anything that would be masked on the way."""
    return redact_mapping(given) == given


mappings = st.dictionaries(texts, values, max_size=3).filter(_open)
metrics = st.dictionaries(
    texts, st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts, max_size=3
)


def _error(kind: type[SpineError], message: str, rest: dict[str, Any]) -> SpineError:
    return kind(message, **rest)


def _errors(causes: st.SearchStrategy[Any]) -> st.SearchStrategy[SpineError]:
    context = st.builds(
        ErrorContext,
        run=maybe_text,
        pipeline=maybe_text,
        step=maybe_text,
        partition=maybe_text,
        metadata=mappings,
    )
    rest = st.fixed_dictionaries(
        {
            "category": st.sampled_from(Category),
            "hint": st.none() | texts,
            "retryable": st.none() | st.booleans(),
            "retry_after": st.none() | seconds,
            "context": context,
            "cause": causes,
        }
    )
    return st.builds(_error, st.sampled_from(TYPES), texts, rest)


foreign = st.builds(
    ForeignCause, texts.filter(lambda text: text == redact(text)), texts.map(redact)
)
errors = _errors(st.none() | foreign | _errors(st.none() | foreign))

retries = st.builds(
    Retry,
    attempts=st.integers(1, 1000),
    delay=seconds,
    backoff=st.sampled_from(["fixed", "exponential"]),
    longest=seconds,
    categories=st.lists(st.sampled_from(Category), max_size=3).map(tuple),
)


def _steps(plans: st.SearchStrategy[Any]) -> st.SearchStrategy[PlannedStep]:
    return st.builds(
        PlannedStep,
        name=some_text,
        pipeline=some_text,
        parameters=mappings,
        after=st.lists(some_text, max_size=2).map(tuple),
        when=maybe_text,
        each=maybe_text,
        retry=retries,
        timeout=st.none() | seconds,
        pool=some_text,
        even_if_skipped=st.booleans(),
        key=maybe_text,
        partition=maybe_text,
        plan=plans,
    )


def _plans(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Plan]:
    return st.builds(Plan, st.lists(_steps(inner), min_size=1, max_size=2).map(tuple))


plans = _plans(st.none() | _plans(st.none()))
progress = st.builds(Progress, texts, counts, st.none() | counts, texts)

runs = st.builds(
    Run,
    id=ids,
    pipeline=texts,
    parameters=mappings,
    state=st.sampled_from(RunState),
    created_at=times,
    started_at=st.none() | times,
    finished_at=st.none() | times,
    parent=st.none() | ids,
    step=maybe_text,
    owner=maybe_text,
    metrics=metrics,
    warnings=st.lists(texts, max_size=2).map(tuple),
    error=st.none(),
    trigger=st.sampled_from(Trigger),
    partition=maybe_text,
    item=st.none() | numbers,
    attempt=numbers,
    force=st.booleans(),
    output=st.none() | values,
    plan=st.none() | plans.map(Plan.to_dict),
    retry_of=st.none() | ids,
    backfill=st.none() | ids,
    cancel_requested_at=st.none() | times,
)
jobs = st.builds(
    Job,
    run=ids,
    pipeline=texts,
    ranked_at=times,
    state=st.sampled_from(QueueState),
    pool=some_text,
    priority=st.integers(-1000, 1000),
    ready_at=st.none() | times,
    key=maybe_text,
    attached=st.booleans(),
    retry=retries,
    timeout=st.none() | seconds,
    failures=numbers,
    losses=numbers,
    attempt=numbers,
    owner=maybe_text,
    lease_until=st.none() | times,
    cancel_requested=st.booleans(),
)
events = st.builds(
    RunEvent,
    run=ids,
    kind=st.sampled_from(EventKind),
    at=times,
    attempt=numbers,
    fence=counts,
    owner=maybe_text,
    detail=mappings,
    key=counts,
)
lines = st.builds(LogLine, ids, counts, times, texts, texts)
partitions = st.builds(Partition, texts, days, texts)
edges = st.builds(
    LineageEdge, ids, ids, st.sampled_from(["INPUT", "OUTPUT"]), st.none() | partitions
)
statistics = st.builds(
    RunStatistics,
    pipeline=maybe_text,
    day=st.none() | days,
    counts=st.dictionaries(st.sampled_from(RunState), st.integers(1, 2**63 - 1)),
    p50=st.none() | seconds,
    p95=st.none() | seconds,
)
reports = st.builds(
    StatisticsReport,
    st.lists(statistics, max_size=2),
    st.lists(statistics, max_size=2),
    statistics,
)
backfills = st.builds(
    Backfill,
    id=ids,
    pipeline=texts,
    state=st.sampled_from(BackfillState),
    first=days,
    last=days,
    only=st.lists(st.sampled_from(PartitionState), max_size=3).map(tuple),
    parameters=mappings,
    max_active=numbers,
    force=st.booleans(),
    created_at=times,
    finished_at=st.none() | times,
)
parts = st.builds(
    BackfillPart,
    backfill=ids,
    number=numbers,
    partition=texts,
    parameters=mappings,
    reason=texts,
    state=st.sampled_from(PartState),
    run=st.none() | ids,
)
surveyed = st.builds(
    Surveyed,
    key=st.dictionaries(texts, texts, max_size=3).map(PartitionKey),
    state=st.sampled_from(PartitionState),
    reason=texts,
    parameters=mappings,
)
captures = st.builds(
    Capture,
    id=ids,
    partition=partitions,
    digest=texts,
    captured_at=times,
    source_updated_on=st.none() | days,
    source_name=texts,
    source_type=texts,
    source_options=mappings,
    run=ids,
    bytes=counts,
    rows_read=counts,
    rows_accepted=counts,
    rows_rejected=counts,
    sequence=numbers,
    supersedes=st.none() | ids,
)
entries = st.builds(
    ManifestEntry,
    capture=ids,
    partition=partitions,
    stage=st.sampled_from(CaptureStage),
    run=ids,
    reached_at=times,
    rows=counts,
    grade=maybe_text,
    blocked=st.booleans(),
)
rejects = st.builds(Reject, ids, partitions, counts, texts, texts, texts)
quality = st.builds(
    QualityResult,
    capture=ids,
    partition=partitions,
    run=ids,
    checked_at=times,
    result=st.builds(
        CheckResult,
        texts,
        st.sampled_from(CheckStatus),
        st.sampled_from(Severity),
        texts,
        st.none() | texts,
        st.none() | texts,
    ),
)
audit_entries = st.builds(
    AuditEntry,
    id=ids,
    at=times,
    caller=texts,
    role=st.sampled_from(Role),
    peer=texts,
    method=texts,
    resource=texts,
    outcome=maybe_text,
    result=maybe_text,
)
