"""A unit of work that the store ends for another one's sake is done again as a whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from dispatch_house import House, add_capture

from market_spine.application.context import RunContext
from market_spine.application.unit_attempts import UNIT_ATTEMPTS, undisturbed
from market_spine.domain.errors import Category, ConflictError, LoadError, SpineError
from market_spine.domain.pipelines import Pipeline, pipeline
from market_spine.domain.result import Result
from market_spine.domain.runs import RunState


def disturbed(times: int, attempts: list[str]) -> Pipeline:
    """Writes a capture, and meets a conflict that many times after it."""

    @pipeline("demo.disturbed")
    def work(context: RunContext) -> None:
        attempts.append(context.run_id)
        context.warn(f"attempt {len(attempts)}")
        add_capture(context, f"capture-{len(attempts)}")
        if len(attempts) <= times:
            raise ConflictError("two waited for each other")

    return work


def test_a_conflict_is_not_told_when_a_repeat_succeeds() -> None:
    attempts: list[str] = []
    house = House(disturbed(UNIT_ATTEMPTS - 1, attempts))

    outcome = house.run("demo.disturbed")

    assert outcome.result.ok
    assert outcome.result.warnings == (f"attempt {UNIT_ATTEMPTS}",)
    assert house.captures() == [f"capture-{UNIT_ATTEMPTS}"]
    [run] = house.runs()
    assert run.state is RunState.SUCCEEDED
    assert attempts == [run.id] * UNIT_ATTEMPTS


def test_a_conflict_that_stays_fails_the_run_and_keeps_nothing() -> None:
    attempts: list[str] = []
    house = House(disturbed(1000, attempts))

    outcome = house.run("demo.disturbed")

    assert isinstance(outcome.result.error, ConflictError)
    assert outcome.result.error.category is Category.TRANSIENT
    assert len(attempts) == UNIT_ATTEMPTS
    assert house.captures() == []
    assert [run.state for run in house.runs()] == [RunState.FAILED]


@pytest.mark.parametrize("fails", ["commit", "write"])
def test_a_conflict_of_the_store_itself_is_met_at_the_begin_the_commit_and_the_end(
    monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """Every second unit of work of the store is ended, as it begins or as it commits."""
    attempts: list[str] = []
    house = House(disturbed(0, attempts))
    calls: list[str] = []
    kind = type(house.store) if fails == "write" else _unit_type(house)
    genuine: Callable[..., object] = getattr(kind, fails)

    def every_second(self: object) -> object:
        calls.append(fails)
        if len(calls) % 2:
            raise ConflictError("two waited for each other")
        return genuine(self)

    monkeypatch.setattr(kind, fails, every_second)
    outcome = house.run("demo.disturbed")

    assert outcome.result.ok
    assert len(calls) >= 4
    assert len(house.runs()) == len(house.captures()) == 1


def _unit_type(house: House) -> type:
    with house.store.write() as unit:
        return type(unit)


def test_what_a_pipeline_asked_to_keep_is_no_reason_not_to_repeat() -> None:
    attempts: list[int] = []

    @pipeline("demo.keeping")
    def keeping(context: RunContext) -> None:
        context.keep_writes_on_failure()
        attempts.append(1)
        add_capture(context, f"capture-{len(attempts)}")
        if len(attempts) == 1:
            raise ConflictError("two waited for each other")

    house = House(keeping)

    assert house.run("demo.keeping").result.ok
    assert house.captures() == ["capture-2"]


def test_a_conflict_that_a_child_could_not_get_over_is_not_multiplied() -> None:
    inner: list[int] = []
    outer: list[int] = []

    @pipeline("demo.inner")
    def work(context: RunContext) -> None:
        inner.append(1)
        raise ConflictError("two waited for each other")

    @pipeline("demo.outer")
    def calling(context: RunContext) -> Result[object]:
        outer.append(1)
        return context.execute("demo.inner", {}).result

    house = House(work, calling)

    assert not house.run("demo.outer").result.ok
    assert (len(outer), len(inner)) == (1, UNIT_ATTEMPTS)
    assert len(house.runs()) == 2


def test_other_errors_are_not_repeated() -> None:
    calls: list[int] = []

    def refused() -> None:
        calls.append(1)
        raise LoadError("refused")

    with pytest.raises(LoadError):
        undisturbed(refused)
    assert len(calls) == 1


def test_a_conflict_survives_its_round_trip() -> None:
    restored = SpineError.from_dict(ConflictError("two waited").to_dict())
    assert isinstance(restored, ConflictError)
    assert restored.retryable
