"""What the server makes a message of, the client makes the same object of again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import client_samples as samples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_spine.adapters.inbound.grpc import (
    messages_backfills,
    messages_data,
    messages_errors,
    messages_runs,
    system_service,
)
from market_spine.adapters.inbound.grpc.values import value_message
from market_spine.client import (
    decoding_backfills,
    decoding_errors,
    decoding_evidence,
    decoding_runs,
    decoding_system,
    decoding_values,
    encoding,
)
from market_spine.domain.access import AuditEntry
from market_spine.domain.backfills import Backfill, BackfillPart, PartState
from market_spine.domain.captures import Capture, LineageEdge, ManifestEntry, Reject
from market_spine.domain.errors import ConfigurationError, SpineError
from market_spine.domain.findings import Finding
from market_spine.domain.partitions import Surveyed
from market_spine.domain.plans import Plan
from market_spine.domain.quality import QualityResult
from market_spine.domain.queueing import Job, Progress
from market_spine.domain.retries import NO_RETRY, Retry
from market_spine.domain.run_statistics import StatisticsReport
from market_spine.domain.runs import LogLine, Run, RunEvent, RunState
from market_spine.v1 import run_event_pb2, run_service_pb2, system_service_pb2, value_pb2

RUN = Run("1", "a.b", {}, RunState.PENDING, datetime(2025, 12, 15, 12, tzinfo=UTC))


def sent(message: Any) -> Any:
    """The message as it arrives."""
    return type(message).FromString(message.SerializeToString())


@given(samples.values)
def test_values_come_back(value: Any) -> None:
    assert decoding_values.value_of(sent(value_message(value))) == value


@given(samples.values)
def test_values_that_are_sent_are_read_by_the_server_as_they_are(value: Any) -> None:
    assert encoding.value_message(value) == value_message(value)


def test_values_keep_their_types() -> None:
    given_values = [True, 1, 1.0, "1", math.inf, Decimal("1.10"), None]

    found = decoding_values.value_of(sent(encoding.value_message(given_values)))

    assert [type(item) for item in found] == [type(item) for item in given_values]
    assert math.isnan(decoding_values.value_of(sent(value_message(math.nan))))
    assert decoding_values.value_of(value_pb2.Value()) is None


def test_values_by_name_have_one_order_whatever_the_wire_had() -> None:
    names = [f"name {number:02}" for number in range(40)]
    value = {name: dict.fromkeys(reversed(names), 1) for name in reversed(names)}

    found = decoding_values.value_of(sent(value_message(value)))

    assert list(found) == names
    assert list(found[names[0]]) == names


@settings(max_examples=40)
@given(samples.errors)
def test_errors_come_back_with_type_and_causes(error: SpineError) -> None:
    found = decoding_errors.error_of(sent(messages_errors.error_message(error)))

    assert found.to_dict() == error.to_dict()
    assert type(found) is type(error)


def test_an_error_of_a_newer_server_is_an_internal_one() -> None:
    message = messages_errors.error_message(SpineError("a new kind"))
    message.type, message.category = "QuantumError", 99  # type: ignore[assignment]

    found = decoding_errors.error_of(sent(message))

    assert (type(found), found.category.value) == (SpineError, "INTERNAL")


@settings(max_examples=40)
@given(samples.runs, st.none() | samples.errors, st.none() | samples.progress)
def test_runs_come_back(run: Run, error: SpineError | None, progress: Progress | None) -> None:
    message = messages_runs.run_message(replace(run, error=error), progress=progress)

    found = decoding_runs.standing_of(sent(message))

    assert replace(found.run, error=None) == run
    assert (found.run.error and found.run.error.to_dict()) == (error and error.to_dict())
    assert found.progress == progress
    assert found.job is None


@settings(max_examples=40)
@given(samples.jobs, samples.runs)
def test_jobs_come_back(job: Job, run: Run) -> None:
    job = replace(job, run=run.id)
    message = sent(messages_runs.run_message(run, job=job))

    told = job.retry if job.retry.attempts > 1 else NO_RETRY
    assert decoding_runs.standing_of(message).job == replace(job, retry=told)


@given(samples.retries)
def test_retries_come_back(retry: Retry) -> None:
    assert decoding_runs.retry_of(sent(messages_runs.retry_message(retry))) == retry


@settings(max_examples=40)
@given(samples.plans)
def test_the_plan_of_a_run_can_be_read_by_who_shows_its_steps(plan: Plan) -> None:
    message = messages_runs.run_message(replace(RUN, plan=plan.to_dict()))

    found = decoding_runs.run_of(sent(message)).plan

    assert found is not None
    assert Plan.from_dict(found) == plan


@given(samples.events)
def test_events_come_back(event: RunEvent) -> None:
    assert decoding_runs.event_of(sent(messages_runs.event_message(event))) == event


def test_an_event_of_a_kind_that_is_not_known_is_passed_over() -> None:
    assert decoding_runs.event_of(run_event_pb2.RunEvent(run="runs/1", kind=77)) is None  # type: ignore[arg-type]


@given(samples.lines)
def test_log_lines_come_back(line: LogLine) -> None:
    assert decoding_runs.line_of(sent(messages_runs.line_message(line))) == line


@given(samples.edges)
def test_lineage_comes_back(edge: LineageEdge) -> None:
    assert decoding_runs.edge_of(sent(messages_runs.lineage_message(edge))) == edge


@given(samples.reports)
def test_statistics_come_back(report: StatisticsReport) -> None:
    message = run_service_pb2.GetRunStatisticsResponse(
        by_pipeline=map(messages_runs.statistics_message, report.by_pipeline),
        by_day=map(messages_runs.statistics_message, report.by_day),
        total=messages_runs.statistics_message(report.total),
    )

    assert decoding_runs.report_of(sent(message)) == report


@given(samples.backfills, st.dictionaries(st.sampled_from(PartState), st.integers(1, 2**63 - 1)))
def test_backfills_come_back(backfill: Backfill, counts: Mapping[PartState, int]) -> None:
    message = sent(messages_backfills.backfill_message(backfill, counts))

    found = decoding_backfills.backfill_standing_of(message)

    assert (found.backfill, found.counts) == (backfill, counts)


@given(samples.parts)
def test_partitions_of_backfills_come_back(part: BackfillPart) -> None:
    assert decoding_backfills.part_of(sent(messages_backfills.part_message(part))) == part


@given(samples.surveyed, st.booleans())
def test_surveyed_partitions_come_back_with_their_key_in_order(
    item: Surveyed, wanted: bool
) -> None:
    message = sent(messages_backfills.surveyed_message(item, wanted=wanted))

    found = decoding_backfills.surveyed_of(message)

    assert (found, message.wanted) == (item, wanted)
    assert str(found.key) == str(item.key)


@given(samples.captures)
def test_captures_come_back(capture: Capture) -> None:
    assert decoding_evidence.capture_of(sent(messages_data.capture_message(capture))) == capture


@given(samples.entries)
def test_manifest_entries_come_back(entry: ManifestEntry) -> None:
    assert decoding_evidence.entry_of(sent(messages_data.manifest_message(entry))) == entry


@given(samples.rejects)
def test_rejects_come_back(reject: Reject) -> None:
    assert decoding_evidence.reject_of(sent(messages_data.reject_message(reject))) == reject


@given(samples.quality)
def test_quality_results_come_back(result: QualityResult) -> None:
    assert decoding_evidence.quality_of(sent(messages_data.quality_message(result))) == result


@given(samples.audit_entries)
def test_calls_that_were_recorded_come_back(entry: AuditEntry) -> None:
    message = sent(system_service._entry_message(entry))

    assert decoding_system.audit_entry_of(message) == entry


@pytest.mark.parametrize("hint", [None, "", "do this"])
def test_findings_come_back(hint: str | None) -> None:
    finding = Finding("database", False, "it is away", hint)
    message = system_service_pb2.Finding(name="database", ok=False, detail="it is away", hint=hint)

    assert decoding_system.finding_of(sent(message)) == finding


@pytest.mark.parametrize("field", ["state", "trigger"])
def test_a_word_that_is_not_known_is_an_error_that_says_so(field: str) -> None:
    message = messages_runs.run_message(RUN)
    setattr(message, field, 98)

    with pytest.raises(ConfigurationError, match=rf"98 for Run\.{field}.*does not know"):
        decoding_runs.run_of(message)
