"""The server under test, in a process of its own, over a store that fails when it is asked to.

Speaks JSON lines: commands on stdin ("add", "release"), events on stdout ("ready", "entered",
"done", "refused"). Some run ids are triggers: "fail-<CATEGORY>" raises that typed error, "crash"
an untyped one, "slow" waits for the command "release". All else is the real store on SQLite.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from market_spine.adapters.inbound.grpc.server import serve
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.application.read_runs import ReadRuns
from market_spine.domain.errors import Category, SpineError
from market_spine.domain.runs import Run, RunFilter, RunState
from market_spine.ports.storage import RunStore

FIRST = datetime(2025, 12, 15, tzinfo=UTC)
RELEASED = threading.Event()


def tell(event: str, **facts: Any) -> None:
    print(json.dumps({"event": event, **facts}), flush=True)


class FailingRuns:
    """The runs of one transaction, except for the ids that are triggers."""

    def __init__(self, runs: RunStore) -> None:
        self._runs = runs

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
            RELEASED.wait(60)
            return replace(self._runs.list(RunFilter())[0], id="slow")
        return self._runs.get(run_id)

    def list(self, wanted: RunFilter) -> list[Run]:
        return self._runs.list(wanted)


class FailingStore:
    """As much of a store as reading runs takes."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store

    @contextmanager
    def read(self) -> Iterator[Any]:
        with self._store.read() as work:
            yield SimpleNamespace(runs=FailingRuns(work.runs))


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


def obey(store: SqlStore) -> None:
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "release":
            RELEASED.set()
        else:
            with store.write() as work:
                for one in command["runs"]:
                    work.runs.add(run_from(one))
                work.commit()
        tell("done")


def main(database: str, listen: str, page_key: str) -> int:
    store = SqlStore(f"sqlite:///{database}")
    threading.Thread(target=obey, args=(store,), daemon=True).start()
    try:
        serve(
            listen,
            ReadRuns(FailingStore(store)),  # type: ignore[arg-type]  # reading runs takes no more
            page_key=page_key.encode() or None,
            ready=lambda port: tell("ready", port=port),
        )
    except SpineError as error:
        tell("refused", error=error.to_dict())
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
