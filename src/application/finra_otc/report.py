"""What one run did to one partition, for people and for the run's metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...domain.captures import Partition, Restatement
from ...domain.result import Metric


@dataclass(slots=True)
class PartitionReport:
    """The partition's outcome.

    ``action`` is CAPTURED, RESTATED, RESUMED, REPLAYED, MEASURED or ALREADY CAPTURED.
    ``datasets`` holds the number of rows that each dataset has for the partition;
    ``week_datasets`` those of datasets whose rows span all tiers of its week.
    """

    partition: Partition
    action: str = "CAPTURED"
    capture: str = ""
    rows_read: int = 0
    rows_accepted: int = 0
    rows_rejected: int = 0
    rejects: Mapping[str, int] = field(default_factory=dict)
    restatement: Restatement | None = None
    grade: str | None = None
    findings: tuple[str, ...] = ()
    datasets: dict[str, int] = field(default_factory=dict)
    week_datasets: dict[str, int] = field(default_factory=dict)

    @property
    def written(self) -> bool:
        return self.action != "ALREADY CAPTURED"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, for ``Result.value``."""
        change = self.restatement
        return {
            "week_start": self.partition.period.isoformat(),
            "tier": self.partition.segment,
            "action": self.action,
            "capture": self.capture,
            "rows_read": self.rows_read,
            "rows_accepted": self.rows_accepted,
            "rows_rejected": self.rows_rejected,
            "rejects": dict(self.rejects),
            "rows_changed": change.changed if change else None,
            "rows_appeared": change.appeared if change else None,
            "rows_vanished": change.vanished if change else None,
            "grade": self.grade,
            "findings": list(self.findings),
            "datasets": dict(self.datasets),
            "week_datasets": dict(self.week_datasets),
        }


def metrics(reports: Sequence[PartitionReport]) -> dict[str, Metric]:
    """The run's metrics: counts over all its partitions; names of week, tier and grade for one."""
    changes = [report.restatement for report in reports if report.restatement]
    found: dict[str, Metric] = {
        "rows_read": sum(report.rows_read for report in reports),
        "rows_accepted": sum(report.rows_accepted for report in reports),
        "rows_rejected": sum(report.rows_rejected for report in reports),
        "partitions": len(reports),
        "captures_added": sum(report.action in ("CAPTURED", "RESTATED") for report in reports),
        "already_captured": sum(not report.written for report in reports),
    }
    if changes:
        found |= {
            "rows_changed": sum(change.changed for change in changes),
            "rows_appeared": sum(change.appeared for change in changes),
            "rows_vanished": sum(change.vanished for change in changes),
        }
    if len(reports) == 1:
        only = reports[0]
        found |= {
            "week_start": only.partition.period.isoformat(),
            "tier": only.partition.segment,
            "capture": only.capture,
            "grade": only.grade,
        }
    return found


def sentences(reports: Iterable[PartitionReport]) -> list[str]:
    """The run's warnings: failed checks, and what was recognised instead of loaded."""
    said: list[str] = []
    for report in reports:
        if not report.written:
            said.append(
                f"{report.partition}: already captured as {report.capture}; nothing was written "
                "(--force captures it again)"
            )
        said.extend(f"{report.partition}: {finding}" for finding in report.findings)
    return said
