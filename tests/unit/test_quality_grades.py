"""Grades count warnings; a single error is an F."""

from __future__ import annotations

import pytest

from market_spine.domain.quality import (
    CheckResult,
    CheckStatus,
    Severity,
    grade,
    worst_status,
)


def results(warnings: int, errors: int = 0, skipped: int = 0) -> list[CheckResult]:
    passed = CheckResult("P", CheckStatus.PASS, Severity.ERROR, "fine")
    return [
        passed,
        *[CheckResult("I", CheckStatus.FAIL, Severity.INFO, "by the way")],
        *[CheckResult("W", CheckStatus.FAIL, Severity.WARNING, "hm")] * warnings,
        *[CheckResult("E", CheckStatus.FAIL, Severity.ERROR, "no")] * errors,
        *[CheckResult("S", CheckStatus.SKIP, Severity.ERROR, "nothing to compare")] * skipped,
    ]


@pytest.mark.parametrize(
    ("warnings", "errors", "expected"),
    [
        (0, 0, "A"),
        (1, 0, "B"),
        (2, 0, "B"),
        (3, 0, "C"),
        (5, 0, "C"),
        (6, 0, "D"),
        (60, 0, "D"),
        (0, 1, "F"),
        (9, 2, "F"),
    ],
)
def test_grades(warnings: int, errors: int, expected: str) -> None:
    assert grade(results(warnings, errors, skipped=4)).value == expected


def test_the_worst_status_is_that_of_failed_checks_only() -> None:
    assert worst_status([]) == "PASS"
    assert worst_status(results(0)[:1]) == "PASS"
    assert worst_status(results(1)) == "WARNING"
    assert worst_status(results(1, 1)) == "ERROR"
