"""The server answers from the database that other processes write to."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from postgres_server import OwnServer

from market_spine.adapters.inbound.grpc.messages_runs import run_message
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.errors import ErrorContext, SourceError, SpineError
from market_spine.domain.runs import Run, RunState
from market_spine.v1 import run_pb2, run_service_pb2, run_service_pb2_grpc

WAIT = 60.0
NOON = datetime(2025, 12, 15, 12, 0, 0, 123456, tzinfo=UTC)
SPINE = Path(sys.executable).parent / "spine"


@contextmanager
def serving(url: str, log: Path) -> Iterator[Any]:
    """A stub for a server process on the database; the process ends well when it is left."""
    environment = {
        **{name: item for name, item in os.environ.items() if not name.startswith("SPINE_")},
        "SPINE_HOME": str(log.parent / "home"),
        "SPINE_DATABASE_URL": url,
    }
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [SPINE, "serve", "--listen", "127.0.0.1:0", "--workers", "0"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    with process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip().rpartition(":")[2]
            assert port, log.read_text()
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield run_service_pb2_grpc.RunServiceStub(channel)
            process.terminate()
            assert process.wait(WAIT) == 0, log.read_text()
        finally:
            process.kill()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'spine.db'}"


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    made = SqlStore(url)
    made.upgrade()
    yield made
    made.close()


def get(stub: Any, run_id: str) -> run_pb2.Run:
    request = run_service_pb2.GetRunRequest(name=f"runs/{run_id}")
    run = stub.GetRun(request, timeout=WAIT).run
    assert isinstance(run, run_pb2.Run)
    return run


def test_a_run_is_seen_in_each_state_that_was_committed(
    url: str, store: SqlStore, tmp_path: Path
) -> None:
    cause = SpineError("page 3 was cut off", cause=OSError("reset by peer"))
    running = Run(
        id="0198c5e2-7e4f-7000-8000-00000000000a",
        pipeline="finra.otc_transparency.refresh_week",
        parameters={"file": "week.csv", "weeks": [1, 2.5], "force": False},
        state=RunState.RUNNING,
        created_at=NOON,
        started_at=NOON + timedelta(seconds=1),
        owner="host:1:2",
    )
    failed = replace(
        running,
        state=RunState.FAILED,
        finished_at=NOON + timedelta(seconds=2.5),
        metrics={"rows_read": 2**53 + 1, "share": 0.1, "note": "ä", "ok": True, "none": None},
        warnings=("one week is missing",),
        error=SourceError(
            "the file is cut off",
            hint="fetch it again",
            retry_after=1.5,
            context=ErrorContext(run=running.id, metadata={"line": 2**53 + 1, "at": [1, None]}),
            cause=cause,
        ),
    )
    with serving(url, tmp_path / "log") as stub:
        with store.write() as work:
            work.runs.add(running)
            with pytest.raises(grpc.RpcError):  # not committed yet: the reader does not wait
                get(stub, running.id)
            work.commit()
        assert get(stub, running.id) == run_message(running)

        with store.write() as work:
            assert work.runs.finish(failed)
            work.commit()
        assert get(stub, running.id) == run_message(failed)


def test_paging_while_another_process_commits_runs(
    url: str, store: SqlStore, tmp_path: Path
) -> None:
    def add(first: int, last: int) -> None:
        with store.write() as work:
            for number in range(first, last + 1):
                created = NOON + timedelta(seconds=number)
                work.runs.add(
                    Run(f"{number:08d}", "demo.load", {}, RunState.PENDING, created_at=created)
                )
            work.commit()

    add(1, 25)
    seen: list[int] = []
    request = run_service_pb2.ListRunsRequest(page_size=10)
    with serving(url, tmp_path / "log") as stub:
        while True:
            answer = stub.ListRuns(request, timeout=WAIT)
            seen += [int(run.name.removeprefix("runs/")) for run in answer.runs]
            if not answer.next_page_token:
                break
            request.page_token = answer.next_page_token
            add(100 + len(seen), 104 + len(seen))

    assert seen == list(range(25, 0, -1))


def code(stub: Any) -> str:
    """How a call for a run that is not there ends."""
    with pytest.raises(grpc.RpcError) as raised:
        get(stub, "0198c5e2")
    return str(raised.value.code().name)  # type: ignore[attr-defined]


def test_a_database_that_is_away_is_told_as_such_and_found_again(
    mortal_postgres: OwnServer, tmp_path: Path
) -> None:
    url = mortal_postgres.url.render_as_string(hide_password=False)
    with serving(url, tmp_path / "log") as stub:
        assert code(stub) == "NOT_FOUND"

        mortal_postgres.kill()
        assert {code(stub) for _ in range(10)} == {"UNAVAILABLE"}

        mortal_postgres.start()
        deadline = time.monotonic() + WAIT
        while (answer := code(stub)) != "NOT_FOUND":
            assert answer == "UNAVAILABLE"
            assert time.monotonic() < deadline, "the database is not found again"
    assert "correlation id" not in (tmp_path / "log").read_text()
