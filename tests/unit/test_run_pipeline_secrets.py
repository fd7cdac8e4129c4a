"""The value of a secret parameter is neither stored nor told nor logged."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from dispatch_house import House

from market_spine.application.context import RunContext, RunOutcome
from market_spine.domain.errors import (
    SpineError,
    ValidationError,
)
from market_spine.domain.parameters import Param
from market_spine.domain.pipelines import pipeline
from market_spine.domain.result import Result
from market_spine.domain.runs import RunState
from market_spine.domain.workflows import Step, workflow

SECRET = "correct-horse-battery"


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
