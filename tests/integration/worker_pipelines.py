"""What the tests of workers let them execute; every run notes in a folder what it does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from market_spine import RunContext, Step, pipeline, workflow
from market_spine.domain.queueing import DEFAULT_POOL


def note(context: RunContext, word: str) -> None:
    """A file that says what a run did, and in which process."""
    place = Path(os.environ["SPINE_HOME"]) / "notes"
    place.mkdir(exist_ok=True)
    (place / f"{context.run_id}.{context.run.attempt}.{word}").write_text(str(os.getpid()))


@pipeline("w.quick")
def quick(context: RunContext, number: int = 0) -> dict[str, int]:
    note(context, "done")
    return {"number": number}


@pipeline("w.deaf", timeout=600)
def deaf(context: RunContext, seconds: float = 600) -> None:
    """Looks at nothing that the context has to say."""
    note(context, "begun")
    time.sleep(seconds)
    note(context, "done")


@pipeline("w.short", timeout=6)
def short(context: RunContext) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    note(context, f"child-{child.pid}")
    time.sleep(600)


@pipeline("w.polite")
def polite(context: RunContext) -> None:
    """Tells progress, so it hears of its end."""
    note(context, "begun")
    with context.progress.task("counting", total=6000, unit="rows") as task:
        for _ in range(6000):
            time.sleep(0.05)
            task.advance()


@pipeline("w.first_slow")
def first_slow(context: RunContext) -> None:
    """The first attempt takes for ever, any other no time."""
    note(context, "begun")
    if context.run.attempt == 1:
        time.sleep(600)
    note(context, "done")


@pipeline("w.dies")
def dies(context: RunContext, how: str) -> None:
    note(context, "begun")
    if how == "exit":
        os._exit(3)
    if how == "memory":
        hog = [bytearray(64 << 20) for _ in range(64)]
        context.log.info("%s", len(hog))
    os.kill(os.getpid(), getattr(signal, how))


@pipeline("w.pooled", pool="loads", max_active=1)
def pooled(context: RunContext) -> None:
    note(context, "done")


assert DEFAULT_POOL != "loads"

chain = workflow(
    "w.chain",
    Step("first", "w.quick", {"number": 1}),
    Step("slow", "w.first_slow", after=("first",)),
    Step("last", "w.quick", {"number": "${steps.first.number}"}, after=("slow",)),
)


@pipeline("w.silent")
def silent(context: RunContext, number: int = 0) -> dict[str, int]:
    return {"number": number}
