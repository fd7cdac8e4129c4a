"""The envelope holds either a value or an error, with metrics and warnings beside it."""

from __future__ import annotations

import pytest

from market_spine import Result, SourceError


def test_success_carries_its_value() -> None:
    result = Result.success(3, metrics={"rows_read": 3}, warnings=["late"]).timed(1.5)
    assert result.ok
    assert result.unwrap() == 3
    assert result.to_dict() == {
        "ok": True,
        "value": 3,
        "error": None,
        "metrics": {"rows_read": 3},
        "warnings": ["late"],
        "duration": 1.5,
    }


def test_failure_raises_its_error_when_unwrapped() -> None:
    error = SourceError("gone")
    result: Result[int] = Result.failure(error, metrics={"rows_read": 1})
    assert not result.ok
    with pytest.raises(SourceError) as caught:
        result.unwrap()
    assert caught.value is error
    assert result.to_dict()["error"] == error.to_dict()


def test_map_changes_values_and_passes_failures_through() -> None:
    doubled = Result.success(2, metrics={"a": 1}, warnings=["w"]).map(lambda value: value * 2)
    assert (doubled.value, doubled.metrics, doubled.warnings) == (4, {"a": 1}, ("w",))
    failed: Result[int] = Result.failure(SourceError("gone"))
    assert failed.map(lambda value: value * 2).error is failed.error
