"""What a pipeline logs, and how runs end that do not return."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import pytest
from dispatch_house import House, add_capture, returning

from market_spine import Param, RunContext, pipeline
from market_spine.domain.errors import Category
from market_spine.domain.queueing import Job, QueueState
from market_spine.domain.runs import Run, RunState


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


@pytest.mark.parametrize("stop", [KeyboardInterrupt()])
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
        for run in (left, replace(left, id="b-alive", owner="elsewhere")):
            unit.runs.add(run)
            at = unit.queue.now()
            unit.queue.add(
                Job(
                    run.id,
                    run.pipeline,
                    at,
                    QueueState.CLAIMED,
                    attached=True,
                    owner=run.owner,
                    fence=1,
                    lease_until=at + timedelta(hours=1),
                )
            )
        unit.commit()
    house.processes.gone.add("dead")

    house.run("demo.returning")

    dead, alive, _ = house.runs()
    assert (dead.state, alive.state) == (RunState.FAILED, RunState.RUNNING)
    assert dead.error is not None
    assert "ended before it was finished" in dead.error.message
    assert dead.error.retryable
    assert dead.error.context.run == "a-left-behind"
