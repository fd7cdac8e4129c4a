"""The dispatcher: typed parameters in, one recorded run and one transaction out."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import polars as pl
import pytest
from market_spine.adapters.inbound.cli.progress import TerminalProgress
from market_spine.adapters.outbound.sources.registry import SourceRegistry
from market_spine.application.context import RunContext, RunOutcome
from market_spine.application.run_pipeline import RunPipeline
from market_spine.domain.captures import Capture, CaptureFilter, Partition
from market_spine.domain.errors import (
    Category,
    ConfigurationError,
    SourceError,
    SpineError,
    ValidationError,
)
from market_spine.domain.parameters import Param
from market_spine.domain.pipelines import Pipeline, pipeline
from market_spine.domain.registry import Registry
from market_spine.domain.result import Result
from market_spine.domain.runs import Run, RunFilter, RunState
from market_spine.domain.workflows import Step, Workflow, workflow
from market_spine.ports.sources import Source, register_source, source_type_of
from market_spine.testing.memory_source import MemorySource
from market_spine.testing.memory_store import MemoryStore
from steady_runtime import CountingIds, KnownProcesses, TickingClock

SECRET = "correct-horse-battery"


class House:
    """A dispatcher over a store in memory, and what it left there."""

    def __init__(self, *things: Pipeline | Workflow) -> None:
        self.store = MemoryStore()
        self.processes = KnownProcesses()
        pipelines: Registry[Pipeline] = Registry("pipeline")
        workflows: Registry[Workflow] = Registry("workflow")
        for thing in things:
            if isinstance(thing, Workflow):
                workflows.add(thing)
            else:
                pipelines.add(thing)
        self.sources = SourceRegistry()
        self.run = RunPipeline(
            store=self.store,
            sources=self.sources,
            clock=TickingClock(),
            ids=CountingIds(),
            processes=self.processes,
            progress=TerminalProgress(enabled=False),
            pipelines=pipelines,
            workflows=workflows,
        )

    def runs(self) -> list[Run]:
        """All runs, oldest first."""
        with self.store.read() as unit:
            return list(unit.runs.list(RunFilter(limit=1000)))[::-1]

    def captures(self) -> list[str]:
        with self.store.read() as unit:
            return sorted(capture.id for capture in unit.captures.list(CaptureFilter()))


def returning(value: Any) -> Pipeline:
    @pipeline("demo.returning")
    def work(context: RunContext) -> Any:
        return value

    return work


def raising(error: BaseException, name: str = "demo.raising") -> Pipeline:
    @pipeline(name)
    def work(context: RunContext) -> None:
        raise error

    return work


def add_capture(context: RunContext, name: str) -> None:
    context.unit_of_work().captures.add(
        Capture(
            id=name,
            partition=Partition("demo", date(2025, 11, 10), "X"),
            digest=name,
            captured_at=datetime(2026, 1, 1, tzinfo=UTC),
            source_updated_on=None,
            source_name="made",
            source_type="memory",
            source_options={},
            run=context.run_id,
            bytes=0,
        )
    )


# Parameters


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

    with pytest.raises(ValidationError, match=r"no pipeline or workflow named 'demo.tiped'") as raised:
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
        house.run("demo.other")
        add_capture(context, "late")

    @pipeline("demo.other")
    def other(context: RunContext) -> None: ...

    house = House(work, other)
    outcome = house.run("demo.load")

    assert house.captures() == []
    assert outcome.run.state is RunState.FAILED
    assert outcome.result.error is not None
    assert "closed by another process" in outcome.result.error.message
    first, second = house.runs()
    assert (first.state, second.state) == (RunState.FAILED, RunState.SUCCEEDED)


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


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(3)])
def test_an_interrupted_run_is_cancelled_and_the_interrupt_goes_on(stop: BaseException) -> None:
    @pipeline("demo.part")
    def part(context: RunContext) -> None:
        add_capture(context, "half")
        raise stop

    @pipeline("demo.outer")
    def outer(context: RunContext) -> None:
        context.execute("demo.part", {})

    house = House(outer, part)
    with pytest.raises(type(stop)):
        house.run("demo.outer")

    assert [run.state for run in house.runs()] == [RunState.CANCELLED] * 2
    assert all(run.finished_at for run in house.runs())
    assert house.captures() == []


def test_runs_of_processes_that_are_gone_are_closed_by_whoever_runs_next() -> None:
    house = House(returning(None))
    left = Run(
        id="a-left-behind",
        pipeline="demo.other",
        parameters={},
        state=RunState.RUNNING,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        owner="dead",
    )
    with house.store.write() as unit:
        unit.runs.add(left)
        unit.runs.add(replace(left, id="b-alive", owner="elsewhere"))
        unit.commit()
    house.processes.gone.add("dead")

    house.run("demo.returning")

    dead, alive, _ = house.runs()
    assert (dead.state, alive.state) == (RunState.FAILED, RunState.RUNNING)
    assert dead.error is not None
    assert "ended before it was finished" in dead.error.message
    assert dead.error.retryable
    assert dead.error.context.run == "a-left-behind"


# Workflows


@pytest.fixture
def steps() -> Iterator[tuple[list[tuple[str, Any]], Pipeline]]:
    """What ran, in order, and a pipeline that notes it."""
    ran: list[tuple[str, Any]] = []

    @pipeline("demo.step")
    def step(context: RunContext, name: str, factor: int = 1, fail: bool = False) -> None:
        ran.append((name, factor))
        if fail:
            raise ValidationError(f"{name} is broken")

    yield ran, step


def test_steps_run_in_their_order_with_the_workflows_parameters(
    steps: tuple[list[tuple[str, Any]], Pipeline],
) -> None:
    ran, step = steps

    def note(context: RunContext, factor: Any) -> dict[str, int]:
        ran.append(("function", factor))
        return {"noted": 1}

    graph = workflow(
        "demo.graph",
        Step("last", "demo.step", {"name": "last"}, after=("note", "first")),
        Step("note", note, {"factor": "${factor}"}, after=("first",)),
        Step("first", "demo.step", {"name": "first", "factor": "${factor}"}),
    )
    house = House(step, graph)

    outcome = house.run("demo.graph", {"factor": "3"})

    assert ran == [("first", 3), ("function", "3"), ("last", 1)]
    assert outcome.result.metrics == {"steps": 3, "steps_succeeded": 3}
    whole, *parts = house.runs()
    assert whole.parameters == {"factor": "3"}
    assert [(run.step, run.pipeline, run.parent, run.state) for run in parts] == [
        ("first", "demo.step", whole.id, RunState.SUCCEEDED),
        ("note", "demo.graph.note", whole.id, RunState.SUCCEEDED),
        ("last", "demo.step", whole.id, RunState.SUCCEEDED),
    ]
    assert parts[1].metrics == {"noted": 1}


def test_steps_after_a_failed_one_are_skipped_and_independent_ones_run(
    steps: tuple[list[tuple[str, Any]], Pipeline],
) -> None:
    ran, step = steps
    graph = workflow(
        "demo.graph",
        Step("bad", "demo.step", {"name": "bad", "fail": True}),
        Step("after_bad", "demo.step", {"name": "after_bad"}, after=("bad",)),
        Step("after_that", "demo.step", {"name": "after_that"}, after=("after_bad",)),
        Step("apart", "demo.step", {"name": "apart"}),
    )
    house = House(step, graph)

    outcome = house.run("demo.graph")

    assert sorted(name for name, _ in ran) == ["apart", "bad"]
    states = {run.step: run.state for run in house.runs()[1:]}
    assert states == {
        "bad": RunState.FAILED,
        "after_bad": RunState.SKIPPED,
        "after_that": RunState.SKIPPED,
        "apart": RunState.SUCCEEDED,
    }
    assert outcome.run.state is RunState.FAILED
    assert outcome.result.error is not None
    assert "3 of 4 steps" in outcome.result.error.message
    skipped = next(run for run in house.runs() if run.step == "after_bad")
    assert skipped.warnings == ("skipped, because bad did not succeed",)
    bad = next(run for run in house.runs() if run.step == "bad")
    assert bad.error is not None
    assert bad.error.context.step == "bad"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "missing factor"),
        ({"factor": "1", "other": "2"}, "unknown other"),
        ({"factor": "many"}, "'many' is not a whole number"),
    ],
)
def test_wrong_parameters_of_a_late_step_stop_a_workflow_before_its_first(
    steps: tuple[list[tuple[str, Any]], Pipeline], given: dict[str, str], said: str
) -> None:
    ran, step = steps
    inner = workflow("demo.inner", Step("only", "demo.step", {"name": "x", "factor": "${factor}"}))
    graph = workflow(
        "demo.graph",
        Step("first", "demo.step", {"name": "first"}),
        Step("late", "demo.inner", {"factor": "${factor}"}, after=("first",)),
    )
    house = House(step, graph, inner)

    with pytest.raises(ValidationError, match=said):
        house.run("demo.graph", given)

    assert (ran, house.runs()) == ([], [])


def test_a_step_that_names_no_pipeline_stops_a_workflow_before_its_first(
    steps: tuple[list[tuple[str, Any]], Pipeline],
) -> None:
    ran, step = steps
    graph = workflow(
        "demo.graph",
        Step("first", "demo.step", {"name": "first"}),
        Step("late", "demo.stepp", {"name": "late"}, after=("first",)),
    )
    house = House(step, graph)

    with pytest.raises(ValidationError, match=r"demo\.stepp"):
        house.run("demo.graph")

    assert (ran, house.runs()) == ([], [])


def test_a_workflow_that_runs_itself_is_refused_before_it_runs() -> None:
    house = House(
        workflow("demo.a", Step("b", "demo.b")),
        workflow("demo.b", Step("a", "demo.a")),
    )

    with pytest.raises(ConfigurationError, match=r"demo\.a -> demo\.b -> demo\.a"):
        house.run("demo.a")

    assert house.runs() == []


def test_a_workflow_given_typed_values_remembers_them_as_plain_ones(
    steps: tuple[list[tuple[str, Any]], Pipeline],
) -> None:
    def note(context: RunContext, day: date) -> dict[str, int]:
        return {"year": day.year}

    house = House(workflow("demo.graph", Step("note", note, {"day": "${day}"})))

    outcome = house.run("demo.graph", {"day": date(2025, 11, 10)})

    assert outcome.result.ok, outcome.result.error
    assert [run.parameters for run in house.runs()] == [{"day": "2025-11-10"}] * 2


# Secrets


def everything(house: House, outcome: RunOutcome) -> str:
    """All that a run left in the store and gave its caller."""
    told = [
        {
            "parameters": dict(run.parameters),
            "error": run.error.to_dict() if run.error else None,
            "warnings": run.warnings,
            "metrics": dict(run.metrics),
        }
        for run in (*house.runs(), outcome.run)
    ]
    error = outcome.result.error
    return json.dumps([told, error.to_dict() if error else None, list(outcome.result.warnings)])


@pipeline("demo.login")
def login(context: RunContext, key: Annotated[str, Param(secret=True)], how: str = "raise") -> Any:
    context.warn(f"trying {key}")
    if how == "raise":
        raise RuntimeError(f"{key} was refused")
    return Result.failure(
        SpineError(f"{key} was refused", metadata={"sent": [{"header": f"X {key}"}]}),
        metrics={"sent": f"key {key}"},
        warnings=[f"used {key}"],
    )


@pytest.mark.parametrize("how", ["raise", "return"])
def test_a_secret_is_neither_stored_nor_told_nor_logged(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(login)

    outcome = house.run("demo.login", {"key": SECRET, "how": how})

    assert outcome.run.state is RunState.FAILED
    told = everything(house, outcome)
    assert "was refused" in told
    assert "***" in told
    assert SECRET not in told
    assert SECRET not in caplog.text


def test_a_wrong_value_of_a_secret_is_not_told() -> None:
    @pipeline("demo.pin")
    def pin(context: RunContext, pin: Annotated[int, Param(secret=True)]) -> None: ...

    with pytest.raises(ValidationError) as raised:
        House(pin).run("demo.pin", {"pin": SECRET})

    assert SECRET not in json.dumps(raised.value.to_dict())


def test_a_secret_passed_through_workflows_is_not_stored(caplog: pytest.LogCaptureFixture) -> None:
    def use(context: RunContext, value: str) -> None:
        raise RuntimeError(f"{value} again")

    inner = workflow("demo.inner", Step("login", "demo.login", {"key": "${key}", "how": "return"}))
    graph = workflow(
        "demo.graph",
        Step("inner", "demo.inner", {"key": "${password}"}),
        Step("use", use, {"value": "${password}"}),
    )
    house = House(login, graph, inner)

    outcome = house.run("demo.graph", {"password": SECRET})

    assert len(house.runs()) == 4
    assert SECRET not in everything(house, outcome)
    assert SECRET not in caplog.text


def test_a_parameter_that_sounds_secret_is_masked_without_being_declared_so() -> None:
    @pipeline("demo.fetch")
    def fetch(context: RunContext, url: str, api_key: str) -> None: ...

    house = House(fetch)
    house.run("demo.fetch", {"url": f"https://me:{SECRET}@host/x", "api_key": SECRET})

    assert house.runs()[0].parameters == {"url": "https://me:***@host/x", "api_key": "***"}
