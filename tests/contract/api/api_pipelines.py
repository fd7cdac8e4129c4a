"""What the server under test can run besides what is built in; SPINE_MODULES names this module.

A server elsewhere that is to be tested completely needs this file on its path, and its name in
SPINE_MODULES. Nothing here looks outside the folder that SPINE_HOME names.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

from market_spine import Param, Result, Retry, RunContext, Step, days, pipeline, workflow
from market_spine.domain.errors import Category, SpineError, ValidationError

PAUSE = 0.02  # seconds between two looks after whether a run is to end
LONG_LINE = "x" * 900


@pipeline("contract.quick", partition="{label}")
def quick(
    context: RunContext,
    number: Annotated[int, Param("Returned as it is", example="7")] = 0,
    label: Annotated[str, Param("What the run is about")] = "",
) -> dict[str, int]:
    """Return a number."""
    context.log.info("the number is %s", number)
    return {"number": number}


@pipeline("contract.fail")
def fail(context: RunContext, message: str = "it fails") -> Result[None]:
    """Fail, in words of the caller's."""
    context.log.error("about to fail")
    context.warn("it will not work")
    return Result.failure(ValidationError(message, hint="ask for something else"))


@pipeline("contract.crash")
def crash(context: RunContext) -> None:
    """Fail as a defect does."""
    raise RuntimeError("the inner workings")


@pipeline("contract.slow")
def slow(context: RunContext, lines: int = 40, pause: float = 0.05) -> dict[str, int]:
    """Log line after line, and tell how far it is."""
    with context.progress.task("counting", total=lines, unit="lines") as task:
        for number in range(1, lines + 1):
            context.log.info("line %s", number)
            task.advance()
            time.sleep(pause)
    return {"lines": lines}


@pipeline("contract.patient")
def patient(context: RunContext) -> None:
    """Wait until it is cancelled."""
    with context.progress.task("waiting", unit="looks") as task:
        while True:
            time.sleep(PAUSE)
            task.advance()
            context.check()


@pipeline("contract.again", retry=Retry(attempts=2, delay=0.0, backoff="fixed"))
def again(context: RunContext, lines: int = 1) -> dict[str, int]:
    """Fail once, as if the network had, and succeed with the second attempt."""
    for number in range(lines):
        context.log.info("attempt %s, line %s", context.run.attempt, number)
    if context.run.attempt == 1:
        raise SpineError("not yet", category=Category.TRANSIENT)
    return {"attempt": context.run.attempt}


@pipeline("contract.once")
def once(context: RunContext, name: str) -> dict[str, str]:
    """Fail for every name the first time, and never again."""
    place = Path(os.environ["SPINE_HOME"]) / "contract" / name
    if not place.exists():
        place.parent.mkdir(exist_ok=True)
        place.touch()
        raise ValidationError(f"{name} was never seen before")
    return {"name": name}


@pipeline("contract.chatty")
def chatty(context: RunContext, item: int = 0, lines: int = 500) -> None:
    """Log long lines, as fast as it goes."""
    for number in range(1, lines + 1):
        context.log.info("%s.%s %s", item, number, LONG_LINE)


@pipeline("contract.secret")
def secret(
    context: RunContext, password: Annotated[str, Param("Opens the door", secret=True)]
) -> dict[str, int]:
    """Log a secret, and count its characters."""
    context.log.info("the password is %s", password)
    return {"characters": len(password)}


@pipeline("contract.file")
def file(
    context: RunContext,
    file: Annotated[str, Param("Any file", file=True)],
    label: str = "",
) -> dict[str, int]:
    """Count the bytes of a file."""
    return {"bytes": Path(file).stat().st_size}


@pipeline("contract.daily", partition="{day}/{desk}", partitions=days("day", desk=["A", "B"]))
def daily(
    context: RunContext, day: str, desk: str, label: str = "", fail_on: str = "", wait: bool = False
) -> None:
    """One day of one desk; fails on one day, and waits to be cancelled when it is told to."""
    if day == fail_on:
        raise ValidationError(f"{day} cannot be")
    while wait:
        time.sleep(PAUSE)
        context.check()


@pipeline(
    "contract.without_parameters",
    pool="elsewhere",
    timeout=600,
    max_active=3,
    key="one",
    retry=Retry(attempts=3, delay=60.0),
)
def without_parameters(context: RunContext) -> None:
    """Wait in a pool of which no worker takes anything."""


nightly = workflow(
    "contract.nightly",
    Step("count", "contract.quick", {"number": "${number}"}),
    Step("parts", "contract.quick", {"number": "${item}"}, after=("count",), each="${items}"),
    Step("never", "contract.quick", after=("count",), when="${steps.count.number} > 1000"),
    Step("end", "contract.slow", {"lines": 3, "pause": 0.0}, after=("parts",)),
    description="Count, do the items, end.",
)

healing = workflow(
    "contract.healing",
    Step("first", "contract.quick", {"number": 1}),
    Step("second", "contract.once", {"name": "${name}"}, after=("first",)),
    Step("third", "contract.quick", {"number": 3}, after=("second",)),
    description="Fails for every name the first time.",
)

flood = workflow(
    "contract.flood",
    # Time for a reader to have heard all there is, and to wait for what is new.
    Step("begin", "contract.slow", {"lines": 40, "pause": 0.05}),
    Step("talk", "contract.chatty", {"item": "${item}"}, after=("begin",), each="${items}"),
    description="More log lines than a reader should leave unread.",
)
