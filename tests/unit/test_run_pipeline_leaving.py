"""What a pipeline logs, and how it may not leave."""

from __future__ import annotations

import logging
from typing import Annotated, Any

import pytest
from dispatch_house import House

from market_spine import Param, RunContext, pipeline
from market_spine.domain.errors import Category
from market_spine.domain.runs import RunState


@pytest.fixture
def run_log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, logger="market_spine.run")
    return caplog


def test_what_a_pipeline_logs_hides_its_secrets(run_log: pytest.LogCaptureFixture) -> None:
    @pipeline("demo.secret")
    def secret(context: RunContext, key: Annotated[str, Param(secret=True)]) -> None:
        context.log.warning("plain %s", key)
        context.log.info(f"formatted {key}")  # as users do
        context.log.debug({"key": key})
        context.log.error("100 %")
        try:
            int(key)
        except ValueError:
            context.log.exception("caught")

    outcome = House(secret).run("demo.secret", {"key": "sekret77"})

    assert outcome.result.ok, outcome.result.error
    assert [record.getMessage().split("\n")[0] for record in run_log.records] == [
        "plain ***",
        "formatted ***",
        "{'key': '***'}",
        "100 %",
        "caught",
    ]
    assert "ValueError" in run_log.records[-1].getMessage()
    assert "sekret77" not in run_log.text
    assert {record.__dict__["run"] for record in run_log.records} == {outcome.run.id}


@pytest.mark.parametrize("code", [0, 3, "gone", None])
def test_a_pipeline_that_exits_has_failed(code: Any) -> None:
    @pipeline("demo.leaver")
    def leaver(context: RunContext) -> None:
        raise SystemExit(code)

    house = House(leaver)
    outcome = house.run("demo.leaver")

    error = outcome.result.error
    assert error is not None
    assert error.category is Category.TRANSFORM
    assert "asked the process to exit" in error.message
    assert [run.state for run in house.runs()] == [RunState.FAILED]
