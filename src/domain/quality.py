"""Quality: checks with severity, a grade, and the gate that stops what would build on bad data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from .captures import Partition, QualityPosition, listed


class Severity(StrEnum):
    """How bad a failed check is. An ERROR closes the gate."""

    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class CheckStatus(StrEnum):
    """PASS, FAIL, or SKIP where there was nothing to compare with."""

    PASS = "PASS"  # noqa: S105  # the word for a passed check
    FAIL = "FAIL"
    SKIP = "SKIP"


class Grade(StrEnum):
    """A: no warning; B: one or two; C: three to five; D: more; F: any error."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    F = "F"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The outcome of one check on one partition. ``observed`` and ``expected`` are for people."""

    check: str
    status: CheckStatus
    severity: Severity
    message: str
    observed: str | None = None
    expected: str | None = None

    @property
    def failed(self) -> bool:
        return self.status is CheckStatus.FAIL


@dataclass(frozen=True, slots=True)
class QualityResult:
    """A check's outcome as it is stored: on which capture, by which run, when.

    ``key`` is the store's own number, 0 until stored.
    """

    capture: str
    partition: Partition
    run: str
    checked_at: datetime
    result: CheckResult
    key: int = field(default=0, compare=False)

    @property
    def position(self) -> QualityPosition:
        """What a list of results goes on after; a ValidationError for one that no store listed."""
        return QualityPosition(self.run, listed(self.key, "quality result"))


_MOST_WARNINGS = ((Grade.A, 0), (Grade.B, 2), (Grade.C, 5))


def grade(results: Iterable[CheckResult]) -> Grade:
    """The grade of a partition from the failed checks among ``results``."""
    failed = [result.severity for result in results if result.failed]
    if Severity.ERROR in failed:
        return Grade.F
    warnings = failed.count(Severity.WARNING)
    return next((letter for letter, most in _MOST_WARNINGS if warnings <= most), Grade.D)


def worst_status(results: Iterable[CheckResult]) -> str:
    """PASS, or the worst severity among the failed checks."""
    failed = [result.severity for result in results if result.failed]
    return max(failed, key=list(Severity).index).value if failed else "PASS"
