"""The dispatcher: typed parameters in, one recorded run and one transaction out."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import polars as pl
import pytest
from dispatch_house import House, add_capture, returning

from market_spine.application.context import RunContext, RunOutcome
from market_spine.application.reaping import reap
from market_spine.domain.errors import (
    Category,
    SourceError,
    ValidationError,
)
from market_spine.domain.parameters import Param
from market_spine.domain.pipelines import Pipeline, pipeline
from market_spine.domain.result import Result
from market_spine.domain.runs import RunState
from market_spine.ports.sources import Source, register_source, source_type_of
from market_spine.testing.memory_source import MemorySource


def raising(error: BaseException, name: str = "demo.raising") -> Pipeline:
    @pipeline(name)
    def work(context: RunContext) -> None:
        raise error

    return work


@pipeline("demo.typed")
def typed(
    context: RunContext,
    day: Annotated[date, Param("A day", example="2025-11-10")],
    factor: float = 1.0,
    kind: Literal["a", "b"] = "a",
    where: Path | None = None,
) -> dict[str, Any]:
    assert isinstance(day, date)
    return {"year": day.year, "factor": factor, "kind": kind, "where": str(where)}


def test_parameters_given_as_text_arrive_typed_and_are_remembered() -> None:
    house = House(typed)

    outcome = house.run("demo.typed", {"day": "2025-11-10", "factor": "2.5", "where": "a/b"})

    assert outcome.result.metrics == {"year": 2025, "factor": 2.5, "kind": "a", "where": "a/b"}
    [run] = house.runs()
    assert run.parameters == {"day": "2025-11-10", "factor": 2.5, "kind": "a", "where": "a/b"}
    assert (run.state, run.owner, run.parent, run.step) == (
        RunState.SUCCEEDED,
        "here",
        None,
        None,
    )
    assert run.finished_at is not None
    assert run.started_at is not None
    assert run.finished_at > run.started_at


def test_wrong_parameters_are_all_named_and_no_run_exists() -> None:
    house = House(typed)

    with pytest.raises(ValidationError) as raised:
        house.run("demo.typed", {"factor": "much", "kind": "c", "wher": "x"})

    assert set(raised.value.context.metadata["parameters"]) == {"day", "factor", "kind", "wher"}
    for said in ("a date (YYYY-MM-DD)", "'much' is not a number", "one of a, b", "'where'?"):
        assert said in raised.value.message
    assert house.runs() == []


def test_an_unknown_pipeline_suggests_the_nearest_and_no_run_exists() -> None:
    house = House(typed)

    with pytest.raises(
        ValidationError, match=r"no pipeline or workflow named 'demo.tiped'"
    ) as raised:
        house.run("demo.tiped")

    assert "did you mean demo.typed?" in (raised.value.hint or "")
    assert house.runs() == []


# What a pipeline returns


@pytest.mark.parametrize(
    ("returned", "metrics", "warnings"),
    [
        (None, {}, ()),
        ({"rows_read": 3}, {"rows_read": 3}, ()),
        (Result.success(7, metrics={"n": 1}, warnings=["look"]), {"n": 1}, ("look",)),
        ({"ratio": float("nan"), "most": float("inf")}, {"ratio": None, "most": None}, ()),
    ],
)
def test_a_result_a_mapping_and_nothing_are_results(
    returned: Any, metrics: dict[str, Any], warnings: tuple[str, ...]
) -> None:
    house = House(returning(returned))

    outcome = house.run("demo.returning")

    assert outcome.result.ok
    [run] = house.runs()
    assert (run.state, run.metrics, run.warnings) == (RunState.SUCCEEDED, metrics, warnings)
    assert json.loads(json.dumps(dict(run.metrics), allow_nan=False)) == metrics


@pytest.mark.parametrize(
    ("returned", "said"),
    [(5, "not int"), ([1], "not list"), ({"when": date(2025, 1, 1)}, "metric 'when' is a date")],
)
def test_anything_else_is_the_pipelines_defect(returned: Any, said: str) -> None:
    house = House(returning(returned))

    outcome = house.run("demo.returning")

    assert outcome.result.error is not None
    assert outcome.result.error.category is Category.INTERNAL
    assert said in outcome.result.error.message
    assert house.runs()[0].state is RunState.FAILED


def test_a_returned_failure_keeps_its_type_and_gets_its_place() -> None:
    error = SourceError("no such page", retryable=True, retry_after=5, metadata={"page": 3})
    house = House(returning(Result.failure(error, metrics={"rows_read": 2}, warnings=["cut"])))

    outcome = house.run("demo.returning")

    [run] = house.runs()
    assert run.state is RunState.FAILED
    assert run.error is not None
    assert run.error.to_dict() == outcome.result.error.to_dict()  # type: ignore[union-attr]
    assert isinstance(run.error, SourceError)
    assert (run.error.retry_after, run.error.context.metadata) == (5, {"page": 3})
    assert (run.error.context.run, run.error.context.pipeline) == (run.id, "demo.returning")
    assert (run.metrics, run.warnings) == ({"rows_read": 2}, ("cut",))


def test_an_error_whose_metadata_is_no_json_is_recorded_all_the_same() -> None:
    error = SourceError("no such page", metadata={"where": Path("a"), "at": [date(2025, 1, 1)]})
    house = House(raising(error))

    house.run("demo.raising")

    [run] = house.runs()
    assert run.error is not None
    assert run.error.message == "no such page"
    assert run.error.context.metadata == {"where": "a", "at": ["2025-01-01"]}


def test_an_exception_is_internal_and_its_traceback_is_in_the_log_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = House(raising(KeyError("volume")))

    with caplog.at_level(logging.ERROR):
        outcome = house.run("demo.raising")

    error = outcome.result.error
    assert error is not None
    assert error.category is Category.INTERNAL
    assert "KeyError: 'volume'" in error.message
    assert "Traceback" in caplog.text
    assert __file__ in caplog.text
    [run] = house.runs()
    assert run.state is RunState.FAILED
    assert run.error is not None
    assert "Traceback" not in json.dumps(run.error.to_dict())


def test_a_typed_error_needs_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    house = House(raising(ValidationError("row 3 is no row")))

    outcome = house.run("demo.raising")

    assert outcome.result.error is not None
    assert outcome.result.error.category is Category.VALIDATION
    assert "Traceback" not in caplog.text


def test_warnings_of_the_context_come_before_those_of_the_result() -> None:
    @pipeline("demo.warning")
    def work(context: RunContext) -> Result[None]:
        context.warn("first")
        return Result.success(warnings=["second"])

    house = House(work)
    house.run("demo.warning")

    assert house.runs()[0].warnings == ("first", "second")


# One transaction


def test_writes_commit_with_the_outcome() -> None:
    house = House()
    seen: list[list[str]] = []

    @pipeline("demo.load")
    def work(context: RunContext) -> None:
        add_capture(context, "one")
        seen.append(house.captures())

    house = House(work)
    house.run("demo.load")

    assert seen == [[]]
    assert house.captures() == ["one"]


def _fail_by_raising() -> None:
    raise ValidationError("bad rows")


def _fail_by_returning() -> Result[None]:
    return Result.failure(ValidationError("bad rows"))


@pytest.mark.parametrize("fail", [_fail_by_raising, _fail_by_returning])
@pytest.mark.parametrize("keep", [False, True])
def test_what_a_failing_pipeline_wrote_is_gone_unless_it_returns_and_asks_to_keep_it(
    fail: Callable[[], Any], keep: bool
) -> None:
    @pipeline("demo.load")
    def work(context: RunContext) -> Any:
        add_capture(context, "evidence")
        if keep:
            context.keep_writes_on_failure()
        return fail()

    house = House(work)
    outcome = house.run("demo.load")

    assert outcome.run.state is RunState.FAILED
    [run] = house.runs()
    assert run.state is RunState.FAILED
    assert run.error is not None
    assert run.error.message == "bad rows"
    kept = keep and fail is _fail_by_returning
    assert house.captures() == (["evidence"] if kept else [])


def test_a_failed_commit_is_the_runs_failure() -> None:
    @pipeline("demo.load")
    def work(context: RunContext) -> None:
        add_capture(context, "one")
        context.unit_of_work().commit()  # the transaction is over, and the outcome not in it

    house = House(work)
    outcome = house.run("demo.load")

    assert outcome.run.state is RunState.FAILED
    assert house.runs()[0].state is RunState.FAILED


def test_a_run_that_was_closed_meanwhile_commits_nothing() -> None:
    @pipeline("demo.load")
    def work(context: RunContext) -> None:
        house.processes.gone.add("here")  # somebody takes this process for dead
        assert reap(house.store, house.clock, house.run.lifecycle) == 1
        add_capture(context, "late")

    house = House(work)
    outcome = house.run("demo.load")

    assert house.captures() == []
    assert outcome.run.state is RunState.FAILED
    assert outcome.result.error is not None
    assert "closed by another process" in outcome.result.error.message
    [run] = house.runs()
    assert run.state is RunState.FAILED


def test_another_pipeline_inside_an_open_transaction_is_refused_clearly() -> None:
    @pipeline("demo.outer")
    def outer(context: RunContext) -> None:
        add_capture(context, "one")
        context.execute("demo.returning", {})

    house = House(outer, returning(None))
    outcome = house.run("demo.outer")

    assert outcome.result.error is not None
    assert "execute() must come before unit_of_work()" in outcome.result.error.message
    assert house.captures() == []
    assert [run.pipeline for run in house.runs()] == ["demo.outer"]


def test_a_part_is_a_run_of_its_own_with_a_transaction_of_its_own() -> None:
    @pipeline("demo.part")
    def part(context: RunContext, name: str) -> None:
        add_capture(context, name)

    @pipeline("demo.outer")
    def outer(context: RunContext) -> Result[None]:
        inner = context.execute("demo.part", {"name": "kept"}, step="first")
        assert isinstance(inner, RunOutcome)
        return Result.failure(ValidationError("the whole failed"))

    house = House(part, outer)
    house.run("demo.outer", force=True)

    whole, piece = house.runs()
    assert (whole.state, piece.state) == (RunState.FAILED, RunState.SUCCEEDED)
    assert (piece.parent, piece.step) == (whole.id, "first")
    assert house.captures() == ["kept"]


def test_force_reaches_the_pipeline_and_its_parts() -> None:
    seen: list[bool] = []

    @pipeline("demo.part")
    def part(context: RunContext) -> None:
        seen.append(context.force)

    @pipeline("demo.outer")
    def outer(context: RunContext) -> None:
        seen.append(context.force)
        context.execute("demo.part", {})

    house = House(part, outer)
    house.run("demo.outer", force=True)
    house.run("demo.outer")

    assert seen == [True, True, False, False]


def test_a_source_of_a_registered_type_is_opened() -> None:
    @register_source("two_rows")
    def two_rows(first: int) -> Source:
        return MemorySource(pl.DataFrame({"n": [first, first + 1]}))

    @pipeline("demo.count")
    def count(context: RunContext) -> dict[str, int]:
        return {"rows_read": context.source("two_rows", first=4).fetch().rows}

    house = House(count)
    kind = source_type_of(two_rows)
    assert kind is not None
    house.sources.add(kind)

    assert house.run("demo.count").result.metrics == {"rows_read": 2}


# Interruption
