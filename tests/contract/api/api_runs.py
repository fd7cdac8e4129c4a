"""Runs as tests need them: submitted, waited for, and told apart from those of other tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import uuid4

from api_calls import WAIT, Api
from api_values import values

from market_spine.v1.run_pb2 import Run

T = TypeVar("T")

FINAL = {
    Run.STATE_SUCCEEDED,
    Run.STATE_FAILED,
    Run.STATE_CANCELLED,
    Run.STATE_SKIPPED,
}


def unique(word: str = "case") -> str:
    """A word that no other test has used."""
    return f"{word}-{uuid4().hex[:12]}"


def wait_for(what: str, ask: Callable[[], T | None], longest: float = WAIT) -> T:
    """The first answer that is something; fails with what was waited for."""
    deadline = time.monotonic() + longest
    while time.monotonic() < deadline:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.02)
    raise AssertionError(f"after {longest:.0f} s there is still no {what}")


def submit(api: Api, pipeline: str, **given: Any) -> Run:
    """A new run; parameters are plain, all else is given as fields=... of the request."""
    fields = given.pop("fields", {})
    request = {"pipeline": pipeline, "parameters": values(**given), **fields}
    return api.call("RunService.SubmitRun", role="operator", **request).run


def get(api: Api, name: str) -> Run:
    return api.call("RunService.GetRun", name=name).run


def ended(api: Api, name: str) -> Run:
    """The run once it is final."""

    def final() -> Run | None:
        run = get(api, name)
        return run if run.state in FINAL else None

    return wait_for(f"end of {name}", final)


def running(api: Api, name: str) -> Run:
    """The run once it is executed and tells how far it is."""

    def told() -> Run | None:
        run = get(api, name)
        assert run.state not in FINAL, f"{name} has ended: {run}"
        return run if run.state == Run.STATE_RUNNING and run.HasField("progress") else None

    return wait_for(f"progress of {name}", told)


def done(api: Api, pipeline: str, **given: Any) -> Run:
    """A run that has succeeded."""
    run = ended(api, submit(api, pipeline, **given).name)
    assert run.state == Run.STATE_SUCCEEDED, f"{run}"
    return run


def state(run: Run) -> str:
    return Run.State.Name(run.state).removeprefix("STATE_")
