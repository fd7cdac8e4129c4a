"""Executing on Dask, when workers, the scheduler or whoever has sent the runs go away."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from market_spine.adapters.outbound.execution.dask import DaskExecution
from market_spine.adapters.outbound.execution.dask_connection import scheduler_address
from market_spine.adapters.outbound.execution.dask_worker import Order
from market_spine.adapters.outbound.execution.messages import Reply
from market_spine.domain.errors import Category, ConfigurationError, SourceError, SpineError
from market_spine.domain.queueing import Lease
from market_spine.ports.execution import Ended, Task
from market_spine.testing.execution_entry import ENTRY, finished, notes
from market_spine.testing.execution_suite import (
    begun,
    ended,
    gone,
    run_one,
    task,
    until,
)

PARENT = Path(__file__).with_name("execution_parent.py")
HERE = Path(__file__).parent


class Cluster:
    """A scheduler and its workers, each of which can be killed and started again."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address = f"dask://127.0.0.1:{self.port}"
        self.scheduler = self._scheduler()
        self.workers: list[subprocess.Popen[bytes]] = []

    def restart_scheduler(self) -> None:
        self.scheduler = self._scheduler()

    def add_worker(self) -> subprocess.Popen[bytes]:
        new = self._process(
            "worker", f"tcp://127.0.0.1:{self.port}", "--nthreads=2", "--no-nanny",
            "--death-timeout=60", "--memory-limit=0", "--no-dashboard",
        )  # fmt: skip
        self.workers.append(new)
        return new

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()

    def _scheduler(self) -> subprocess.Popen[bytes]:
        made = self._process(
            "scheduler", f"--port={self.port}", "--no-dashboard", "--dashboard-address=127.0.0.1:0"
        )
        until(lambda: _listens(self.port), "the scheduler does not listen")
        return made

    def _process(self, what: str, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{what}", "--host=127.0.0.1", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(HERE)},
        )


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """One scheduler with one worker of two threads."""
    made = Cluster()
    try:
        made.add_worker()
        yield made
    finally:
        made.close()


@contextmanager
def execution(
    address: str | None, folder: Path, entry: str = ENTRY, slots: int = 2
) -> Iterator[DaskExecution]:
    made = DaskExecution(
        address, entry, {"folder": str(folder), "url": "the-password"}, slots=slots
    )
    try:
        yield made
    finally:
        made.close()


def lost(error: SpineError | None) -> bool:
    """Whether it says that the run is to be done again, by whoever claims it next."""
    return error is not None and (error.category, error.retryable) == (Category.DEPENDENCY, True)


def test_a_lost_worker_is_told_and_its_runs_are_not_executed_by_another(
    cluster: Cluster, tmp_path: Path
) -> None:
    with execution(cluster.address, tmp_path) as dask:
        assert run_one(dask, "work") is None
        dask.start(task("hang/1"))
        dask.start(task("hang/2"))
        pids = {begun(tmp_path, run).pid for run in ("hang/1", "hang/2")}
        cluster.add_worker()
        cluster.workers[0].kill()
        told = ended(dask, 2)
        assert lost(told["hang/1"].error)
        assert lost(told["hang/2"].error)
        until(lambda: gone(pids), "a run goes on without its worker")
        # The second worker has to be idle for these, since it has two threads.
        dask.start(task("meet/1"))
        dask.start(task("meet/2"))
        assert [one.error for one in ended(dask, 2).values()] == [None, None]
        assert {notes(tmp_path)[run].pid for run in ("hang/1", "hang/2")} == pids


def test_a_lost_worker_is_told_when_there_is_no_other_one(cluster: Cluster, tmp_path: Path) -> None:
    with execution(cluster.address, tmp_path) as dask:
        dask.start(task("hang"))
        begun(tmp_path, "hang")
        cluster.workers[0].kill()
        assert lost(ended(dask, 1)["hang"].error)
        cluster.add_worker()
        assert run_one(dask, "work") is None


def test_an_outcome_that_was_told_before_its_worker_was_lost_counts(
    cluster: Cluster, tmp_path: Path
) -> None:
    with execution(cluster.address, tmp_path) as dask:
        dask.start(task("hang"))
        begun(tmp_path, "hang")
        (key,) = dask._sent
        outcome = finished(task("hang"))
        told = {"key": key, "reply": Reply("hang", outcome).line()}
        dask._connection.client().log_event(dask._topic, told)
        until(
            lambda: not dask.wait(0.01) and dask._sent[key].outcome is not None, "nothing is heard"
        )
        cluster.workers[0].kill()
        assert ended(dask, 1)["hang"] == Ended(task("hang"), finished=outcome)


def test_a_lost_worker_of_its_own_is_told_and_replaced(tmp_path: Path) -> None:
    with execution("dask", tmp_path) as dask:
        dask.start(task("hang"))
        child = begun(tmp_path, "hang").pid
        (worker,) = dask._connection.client().run(os.getpid).values()
        os.kill(worker, signal.SIGKILL)
        assert lost(ended(dask, 1)["hang"].error)
        until(lambda: gone([child]), "the run goes on without its worker")
        assert run_one(dask, "work") is None


def test_a_lost_scheduler_is_told_and_found_again(cluster: Cluster, tmp_path: Path) -> None:
    with execution(cluster.address, tmp_path) as dask:
        dask.start(task("hang"))
        child = begun(tmp_path, "hang").pid
        cluster.scheduler.kill()
        cluster.scheduler.wait()
        assert lost(ended(dask, 1)["hang"].error)
        until(lambda: gone([child]), "the run goes on without its scheduler")
        assert lost(run_one(dask, "work"))
        cluster.restart_scheduler()
        cluster.add_worker()
        until(lambda: run_one(dask, "work") is None, "it does not find the scheduler again")
        # What it hears of workers it hears from the new scheduler as well.
        dask.start(task("hang/again"))
        begun(tmp_path, "hang/again")
        for worker in cluster.workers:
            worker.kill()
        assert lost(ended(dask, 1)["hang/again"].error)


def test_a_scheduler_that_is_not_there_costs_little_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"dask://127.0.0.1:{free.getsockname()[1]}"
    with execution(address, tmp_path, slots=8) as dask:
        before = time.monotonic()
        for number in range(8):
            dask.start(task(f"work/{number}"))
        told = ended(dask, 8)
        assert time.monotonic() - before < 10.0
        assert all(lost(one.error) for one in told.values())
        assert "127.0.0.1" in str(told["work/0"].error)


def test_a_scheduler_that_never_says_a_word_costs_little_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"dask://127.0.0.1:{silent.getsockname()[1]}"
        with execution(address, tmp_path) as dask:
            before = time.monotonic()
            assert lost(run_one(dask, "work"))
            assert time.monotonic() - before < 10.0


def test_a_scheduler_that_does_nothing_holds_nobody_up(cluster: Cluster, tmp_path: Path) -> None:
    with execution(cluster.address, tmp_path) as dask:
        assert run_one(dask, "work") is None
        cluster.scheduler.send_signal(signal.SIGSTOP)
        before = time.monotonic()
        dask.start(task("work/1"))
        dask.start(task("work/2"))
        assert dask.wait(0.1) == []
        why = SpineError("it took too long")
        dask.end("work/1", why)
        assert ended(dask, 1)["work/1"].error == why
    assert time.monotonic() - before < 10.0


def test_a_task_that_waits_for_a_worker_can_be_ended(cluster: Cluster, tmp_path: Path) -> None:
    cluster.workers[0].kill()
    with execution(cluster.address, tmp_path) as dask:
        dask.start(task("work"))
        why = SpineError("it was cancelled")
        dask.end("work", why)
        assert ended(dask, 1)["work"].error == why
        cluster.add_worker()
        assert run_one(dask, "work/after") is None
        assert list(notes(tmp_path)) == ["work/after"]


@pytest.mark.parametrize("of_its_own", [True, False])
def test_nothing_goes_on_when_whoever_sent_it_is_killed(
    cluster: Cluster, tmp_path: Path, of_its_own: bool
) -> None:
    address = "dask" if of_its_own else cluster.address
    parent = subprocess.Popen([sys.executable, PARENT, address, tmp_path, "compute"])
    try:
        child = begun(tmp_path, "compute").pid
        parent.kill()
        until(lambda: gone([child]), "the run goes on though nobody waits for it")
    finally:
        parent.kill()
        parent.wait()


def test_secrets_do_not_leave_the_machine(cluster: Cluster, tmp_path: Path) -> None:
    with execution(cluster.address, tmp_path) as dask:
        dask.start(Task(Lease("work", "o", 1), {"token": "hush", "password": "hush"}))
        error = ended(dask, 1)["work"].error
    assert isinstance(error, ConfigurationError)
    assert "password, token" in error.message
    assert "env:NAME" in (error.hint or "")
    assert "hush" not in str(error.to_dict())
    assert notes(tmp_path) == {}


def test_settings_are_not_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    order = Order(b"{}", ENTRY, {"url": "the-password"}, "topic")
    assert "the-password" not in repr(order)
    with caplog.at_level(logging.DEBUG), execution("dask", tmp_path) as dask:
        assert run_one(dask, "refuse") is not None
    assert "the-password" not in caplog.text


def test_an_entry_that_a_worker_does_not_have_is_told(cluster: Cluster, tmp_path: Path) -> None:
    with execution(cluster.address, tmp_path, entry="there_is_no_such_module:make") as dask:
        error = run_one(dask, "work")
    assert isinstance(error, ConfigurationError)
    assert "there_is_no_such_module" in error.message


def test_an_error_at_the_start_of_a_process_arrives(cluster: Cluster, tmp_path: Path) -> None:
    with execution(cluster.address, tmp_path, entry="execution_deeds:fail_to_start") as dask:
        assert isinstance(run_one(dask, "work"), SourceError)


@pytest.mark.parametrize(
    "address", ["", "tcp://host:1", "dask://", "dask://host:port", "dask://host/path", "host:8786"]
)
def test_an_address_that_is_none_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigurationError, match="no address of a Dask scheduler"):
        DaskExecution(address, ENTRY, {}, slots=1)


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("dask://host", "tcp://host:8786"),
        ("dask://host:1/", "tcp://host:1"),
        ("dask://[::1]:2", "tcp://[::1]:2"),
        ("dask", None),
        (None, None),
    ],
)
def test_addresses_are_those_of_dask(address: str | None, meant: str | None) -> None:
    assert scheduler_address(address) == meant


def test_without_dask_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigurationError) as caught:
        DaskExecution("dask", ENTRY, {}, slots=1)
    assert caught.value.hint == "pip install 'market-spine[dask]'"
