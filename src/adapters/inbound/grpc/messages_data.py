"""What is known about the data, as messages of the API."""

from __future__ import annotations

from ....domain.captures import Capture, ManifestEntry, Partition, Reject
from ....domain.quality import QualityResult
from ....domain.redaction import redact_mapping
from ....v1 import capture_pb2
from .resource_names import CAPTURES, name_of, run_name
from .values import date_message, timestamp_message, value_map


def partition_message(partition: Partition) -> capture_pb2.Partition:
    """The business key of a slice of a domain's data."""
    return capture_pb2.Partition(
        domain=partition.domain,
        period=date_message(partition.period),
        segment=partition.segment,
    )


def capture_message(capture: Capture) -> capture_pb2.Capture:
    """What one source said about one partition at one moment."""
    return capture_pb2.Capture(
        name=name_of(CAPTURES, capture.id),
        partition=partition_message(capture.partition),
        digest=capture.digest,
        capture_time=timestamp_message(capture.captured_at),
        source_update_date=date_message(capture.source_updated_on),
        source_name=capture.source_name,
        source_type=capture.source_type,
        source_options=value_map(redact_mapping(capture.source_options)),
        run=run_name(capture.run),
        bytes=capture.bytes,
        rows_read=capture.rows_read,
        rows_accepted=capture.rows_accepted,
        rows_rejected=capture.rows_rejected,
        sequence=capture.sequence,
        supersedes=name_of(CAPTURES, capture.supersedes),
    )


def manifest_message(entry: ManifestEntry) -> capture_pb2.ManifestEntry:
    """One stage that one capture has reached."""
    return capture_pb2.ManifestEntry(
        capture=name_of(CAPTURES, entry.capture),
        partition=partition_message(entry.partition),
        stage=f"STAGE_{entry.stage.value}",
        run=run_name(entry.run),
        reach_time=timestamp_message(entry.reached_at),
        rows=entry.rows,
        grade=entry.grade or "",
        blocked=entry.blocked,
    )


def reject_message(reject: Reject) -> capture_pb2.Reject:
    """A row that was refused."""
    return capture_pb2.Reject(
        capture=name_of(CAPTURES, reject.capture),
        partition=partition_message(reject.partition),
        line=reject.line,
        reason=reject.reason,
        detail=reject.detail,
        raw=reject.raw,
    )


def quality_message(item: QualityResult) -> capture_pb2.QualityResult:
    """The outcome of one check on one capture."""
    result = item.result
    return capture_pb2.QualityResult(
        capture=name_of(CAPTURES, item.capture),
        partition=partition_message(item.partition),
        run=run_name(item.run),
        check_time=timestamp_message(item.checked_at),
        check=result.check,
        status=f"STATUS_{result.status.value}",
        severity=f"SEVERITY_{result.severity.value}",
        message=result.message,
        observed=result.observed,
        expected=result.expected,
    )
