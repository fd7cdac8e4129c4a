"""What was recorded about the data, from its messages."""

from __future__ import annotations

from ..domain.captures import Capture, ManifestEntry, Partition, Reject, Stage
from ..domain.quality import CheckResult, CheckStatus, QualityResult, Severity
from ..v1 import capture_pb2
from .decoding_values import day, last_part, optional_id, set_day, set_moment, values_of, word


def partition_of(message: capture_pb2.Partition) -> Partition:
    """The business key of a slice of a domain's data."""
    return Partition(message.domain, set_day(message, "period"), message.segment)


def capture_of(message: capture_pb2.Capture) -> Capture:
    """The capture of a message; its ``key`` is 0, as the store's own number stays there."""
    return Capture(
        id=last_part(message.name),
        partition=partition_of(message.partition),
        digest=message.digest,
        captured_at=set_moment(message, "capture_time"),
        source_updated_on=day(message, "source_update_date"),
        source_name=message.source_name,
        source_type=message.source_type,
        source_options=values_of(message.source_options),
        run=last_part(message.run),
        bytes=message.bytes,
        rows_read=message.rows_read,
        rows_accepted=message.rows_accepted,
        rows_rejected=message.rows_rejected,
        sequence=message.sequence,
        supersedes=optional_id(message.supersedes),
    )


def entry_of(message: capture_pb2.ManifestEntry) -> ManifestEntry:
    """One stage that one capture has reached."""
    return ManifestEntry(
        capture=last_part(message.capture),
        partition=partition_of(message.partition),
        stage=word(Stage, message, "stage"),
        run=last_part(message.run),
        reached_at=set_moment(message, "reach_time"),
        rows=message.rows,
        grade=message.grade or None,
        blocked=message.blocked,
    )


def reject_of(message: capture_pb2.Reject) -> Reject:
    """A row that was refused."""
    return Reject(
        capture=last_part(message.capture),
        partition=partition_of(message.partition),
        line=message.line,
        reason=message.reason,
        detail=message.detail,
        raw=message.raw,
    )


def quality_of(message: capture_pb2.QualityResult) -> QualityResult:
    """The outcome of one check on one capture."""
    return QualityResult(
        capture=last_part(message.capture),
        partition=partition_of(message.partition),
        run=last_part(message.run),
        checked_at=set_moment(message, "check_time"),
        result=CheckResult(
            check=message.check,
            status=word(CheckStatus, message, "status"),
            severity=word(Severity, message, "severity"),
            message=message.message,
            observed=message.observed if message.HasField("observed") else None,
            expected=message.expected if message.HasField("expected") else None,
        ),
    )
