"""The server under test, in a process of its own, over a store that fails when it is asked to.

Speaks JSON lines: commands on stdin ("add", "release"), events on stdout ("ready", "entered",
"done", "refused"). Some run ids are triggers: "fail-<CATEGORY>" raises that typed error, "crash"
an untyped one, "slow" waits for the command "release".
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from market_spine.adapters.inbound.grpc.server import serve
from market_spine.application.read_runs import ReadRuns
from market_spine.domain.errors import Category, SpineError
from market_spine.domain.runs import Run, RunFilter, RunState

FIRST = datetime(2025, 12, 15, tzinfo=UTC)


def tell(event: str, **facts: Any) -> None:
    print(json.dumps({"event": event, **facts}), flush=True)


class RunsInMemory:
    """Run history of this process, newest first."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}
        self._released = threading.Event()

    def add(self, run: Run) -> None:
        self._runs = {**self._runs, run.id: run}

    def release(self) -> None:
        self._released.set()

    def get(self, run_id: str) -> Run | None:
        if run_id.startswith("fail-"):
            category = Category(run_id.removeprefix("fail-"))
            raise SpineError(
                f"asked for {category.value}", category=category, hint="ask less", retry_after=2.5
            )
        if run_id == "crash":
            raise ValueError("the inner workings")
        if run_id == "slow":
            tell("entered")
            self._released.wait(60)
            return replace(next(iter(self._runs.values())), id="slow")
        return self._runs.get(run_id)

    def list(self, wanted: RunFilter) -> list[Run]:
        found = [run for run in self._runs.values() if passes(run, wanted)]
        return sorted(found, key=lambda run: run.id, reverse=True)[: wanted.limit]


def passes(run: Run, wanted: RunFilter) -> bool:
    return (
        wanted.pipeline in (None, run.pipeline)
        and wanted.state in (None, run.state)
        and wanted.parent in (None, run.parent)
        and not (wanted.top_level_only and run.parent)
        and (wanted.before is None or run.id < wanted.before)
    )


class Store:
    """As much of a store as reading runs takes."""

    def __init__(self, runs: RunsInMemory) -> None:
        self.runs = runs

    @contextmanager
    def read(self) -> Iterator[Any]:
        yield self


def run_from(command: dict[str, Any]) -> Run:
    number = command["number"]
    created = FIRST + timedelta(seconds=number)
    return Run(
        id=f"{number:08d}",
        pipeline=command.get("pipeline", "demo.load"),
        parameters={"text": "x" * command.get("bytes", 1)},
        state=RunState(command.get("state", "SUCCEEDED")),
        created_at=created,
        started_at=created,
        finished_at=created,
        parent=command.get("parent"),
    )


def obey(runs: RunsInMemory) -> None:
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "add":
            for one in command["runs"]:
                runs.add(run_from(one))
        else:
            runs.release()
        tell("done")


def main(listen: str, page_key: str) -> int:
    runs = RunsInMemory()
    threading.Thread(target=obey, args=(runs,), daemon=True).start()
    try:
        serve(
            listen,
            ReadRuns(Store(runs)),  # type: ignore[arg-type]  # reading runs takes no more
            page_key=page_key.encode() or None,
            ready=lambda port: tell("ready", port=port),
        )
    except SpineError as error:
        tell("refused", error=error.to_dict())
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
