"""What steps hand on, whatever it is: it fails the step that cannot take it, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from durable_house import DurableHouse

from market_spine.application import workflow_moves
from market_spine.application.context import RunContext
from market_spine.application.worker import Worker
from market_spine.domain.errors import Category, SpineError, ValidationError
from market_spine.domain.pipelines import Pipeline, pipeline
from market_spine.domain.result import Result
from market_spine.domain.runs import NOT_KEPT, Run, RunState
from market_spine.domain.workflows import Step, workflow
from market_spine.ports.execution import Ended


def giving(value: Any) -> Pipeline:
    @pipeline("demo.give")
    def give(context: RunContext) -> Result[Any]:
        return Result.success(value)

    return give


@pipeline("demo.keyed", key="{name}")
def keyed(context: RunContext, name: str) -> None:
    """Takes a text for its key."""


@pipeline("demo.parted", partition="{name}")
def parted(context: RunContext, name: str) -> None:
    """Takes a text for its partition."""


@pipeline("demo.take")
def take(context: RunContext, given: str = "nothing") -> Result[str]:
    return Result.success(given)


def ran(house: DurableHouse, name: str, **parameters: Any) -> tuple[Run, dict[str, Run]]:
    run_id = house.submit(name, parameters)
    house.work()
    return house.run(run_id), house.parts(run_id)


@pytest.mark.parametrize("taker", [keyed, parted], ids=["key", "partition"])
@pytest.mark.parametrize(
    ("value", "said"),
    [("\ud800", "do not fit"), ("a\0b", "NUL"), ("x" * 201, "201 bytes")],
    ids=["half a character", "NUL", "too long"],
)
def test_a_text_that_names_nothing_fails_the_step_that_is_named_by_it(
    taker: Pipeline, value: str, said: str
) -> None:
    given, next_one = Step("given", "demo.give"), "${steps.given}"
    graph = workflow(
        "demo.graph", given, Step("taker", taker.name, {"name": next_one}, after=("given",))
    )

    whole, parts = ran(DurableHouse(giving(value), taker, graph), "demo.graph")

    assert parts["given"].state is RunState.SUCCEEDED
    assert (parts["taker"].state, whole.state) == (RunState.FAILED, RunState.FAILED)
    error = parts["taker"].error
    assert isinstance(error, ValidationError)
    assert said in error.message


def test_a_defect_where_a_step_begins_fails_that_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def filled(template: str | None, parameters: Any) -> None:
        if parameters.get("given") == "x":
            raise RuntimeError("a defect of ours")

    monkeypatch.setattr(workflow_moves, "filled", filled)
    graph = workflow(
        "demo.graph",
        Step("given", "demo.give"),
        Step("taken", "demo.take", {"given": "${steps.given}"}, after=("given",)),
        Step("beside", "demo.take", after=("given",)),
    )

    _, parts = ran(DurableHouse(giving("x"), take, graph), "demo.graph")

    states = {name: part.state for name, part in parts.items()}
    assert states == {
        "given": RunState.SUCCEEDED,
        "taken": RunState.FAILED,
        "beside": RunState.SUCCEEDED,
    }
    assert parts["taken"].error is not None
    assert parts["taken"].error.category is Category.INTERNAL
    assert "a defect of ours" in parts["taken"].error.message


@pytest.mark.parametrize("value", [float("nan"), [1.0, float("inf")], object(), "x" * 3_000_000])
def test_what_is_not_kept_is_no_default_for_the_next_step(value: Any) -> None:
    graph = workflow(
        "demo.graph",
        Step("given", "demo.give"),
        Step("taken", "demo.take", {"given": "${steps.given}"}, after=("given",)),
    )

    whole, parts = ran(DurableHouse(giving(value), take, graph), "demo.graph")

    assert parts["given"].state is RunState.SUCCEEDED
    assert whole.state is RunState.FAILED
    error = parts["taken"].error
    assert isinstance(error, ValidationError)
    assert f"step 'given' returned what is asked for here, but {NOT_KEPT}" in error.message


def test_of_many_items_one_that_is_not_kept_is_missed() -> None:
    @pipeline("demo.each")
    def each(context: RunContext, number: int) -> Result[Any]:
        return Result.success(object() if number == 2 else number)

    graph = workflow(
        "demo.graph",
        Step("given", "demo.each", {"number": "${item}"}, each="${numbers}"),
        Step("taken", "demo.take", {"given": "${steps.given}"}, after=("given",)),
    )

    _, parts = ran(DurableHouse(each, take, graph), "demo.graph", numbers=[1, 2, 3])

    assert parts["taken"].state is RunState.FAILED
    assert NOT_KEPT in str(parts["taken"].error)


def test_what_nobody_asks_for_need_not_be_kept() -> None:
    whole, parts = ran(
        DurableHouse(giving(object()), workflow("demo.graph", Step("given", "demo.give"))),
        "demo.graph",
    )

    assert (whole.state, whole.output) == (RunState.SUCCEEDED, {"given": None})
    assert any(warning.startswith(NOT_KEPT) for warning in parts["given"].warnings)


def test_a_run_by_itself_says_that_what_it_returned_is_not_kept() -> None:
    run, _ = ran(DurableHouse(giving(object())), "demo.give")

    assert (run.state, run.output) == (RunState.SUCCEEDED, None)
    assert any(warning.startswith(NOT_KEPT) for warning in run.warnings)


def test_a_step_that_returned_nothing_leaves_the_default() -> None:
    graph = workflow(
        "demo.graph",
        Step("given", "demo.give"),
        Step("taken", "demo.take", {"given": "${steps.given}"}, after=("given",)),
    )

    whole, _ = ran(DurableHouse(giving(None), take, graph), "demo.graph")

    assert whole.output == {"taken": "nothing"}


@pipeline("demo.mixed")
def mixed(context: RunContext, kind: str) -> None:
    raise SpineError(f"it was {kind}", category=Category(kind))


@pytest.mark.parametrize(
    "kinds",
    [
        ["TRANSIENT", "PERMISSION"],
        ["PERMISSION", "TRANSIENT"],
        ["PERMISSION", *["TRANSIENT"] * 25],
        [*["TRANSIENT"] * 230, "PERMISSION"],
    ],
    ids=["last", "first", "before many", "behind very many"],
)
def test_of_all_that_failed_what_somebody_has_to_mend_counts(kinds: list[str]) -> None:
    graph = workflow("demo.graph", Step("each", "demo.mixed", {"kind": "${item}"}, each="${kinds}"))

    whole, _ = ran(DurableHouse(mixed, graph), "demo.graph", kinds=kinds)

    assert whole.error is not None
    assert (whole.error.category, whole.error.retryable) == (Category.PERMISSION, False)
    assert "each: it was PERMISSION" in whole.error.message
    assert (whole.error.hint or "").startswith("mend it")


def test_what_passes_by_itself_is_not_to_be_mended() -> None:
    graph = workflow("demo.graph", Step("one", "demo.mixed", {"kind": "TRANSIENT"}))

    whole, _ = ran(DurableHouse(mixed, graph), "demo.graph")

    assert whole.error is not None
    assert whole.error.retryable
    assert (whole.error.hint or "").startswith("spine runs retry")


def test_an_outcome_that_is_never_taken_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    house = DurableHouse(take)
    finish_all = type(house.here.lifecycle).finish_all

    def refuse(self: Any, unit: Any, ended: Any) -> Any:
        if any(run.state is RunState.SUCCEEDED for _, run in ended):
            raise RuntimeError("a defect of ours")
        return finish_all(self, unit, ended)

    monkeypatch.setattr(type(house.here.lifecycle), "finish_all", refuse)

    run, _ = ran(house, "demo.take")

    assert run.state is RunState.FAILED
    assert run.error is not None
    assert run.error.category is Category.INTERNAL


class NeverRecorded:
    """An execution whose outcomes no store takes, as the test sees to."""

    isolated = False

    def __init__(self, house: DurableHouse) -> None:
        self.worker: Worker | None = None
        self._house = house
        self._ended: list[Ended] = []

    def start(self, task: Any) -> None:
        self._ended.append(Ended(task, SpineError("it failed")))

    def begun(self, run: str) -> bool:
        return True

    def wait(self, seconds: float) -> list[Ended]:
        assert self.worker is not None
        self.worker.stop()
        self._house.clock.pass_by(1.0)
        ended, self._ended = self._ended, []
        return ended

    def end(self, run: str, why: SpineError) -> None:
        """Nothing is left of it."""

    def close(self) -> None:
        """Nothing is held."""


def test_a_worker_that_is_to_stop_does_not_wait_for_ever_for_what_nobody_takes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house = DurableHouse(take)

    def refuse(*_: Any) -> Any:
        raise RuntimeError("a defect of ours")

    monkeypatch.setattr(type(house.here.lifecycle), "fail", refuse)
    run_id = house.submit("demo.take")
    execution = NeverRecorded(house)
    execution.worker = house.worker(execution=execution)
    began = house.clock.monotonic()

    execution.worker.run()

    assert 30 < house.clock.monotonic() - began < 120
    assert "could not be recorded: others take them over" in caplog.text
    assert house.run(run_id).state is RunState.RUNNING
