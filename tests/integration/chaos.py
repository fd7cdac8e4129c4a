"""Chaos: workers are killed, the database restarts, Dask loses its workers, clocks are wrong.

    python chaos.py --runs 5000 --workers 4

In the end every run has to have its right result, exactly once. Prints a table; exits with 1 when
anything is wrong. It runs on this machine alone, against servers of its own.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from chaos_flow import DOMAIN, STEPS, expected
from postgres_server import OwnServer, started_server

from market_spine.adapters.inbound.cli.progress import TerminalProgress
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.application.submissions import Submission
from market_spine.bootstrap.container import Container, build_container
from market_spine.bootstrap.settings import load_settings
from market_spine.domain.captures import CaptureFilter
from market_spine.domain.errors import SpineError
from market_spine.domain.runs import EventKind, Run, RunFilter, RunState
from market_spine.testing.run_judge import judge_runs

HERE = Path(__file__).parent
GRAPH = "chaos.graph"
LEASE = 3.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much, and how bad. Times are in seconds; 0 leaves something out."""

    runs: int = 5000
    workers: int = 4
    every: float = 0.25
    kill: float = 0.08
    restart_from: float = 5.0
    restart_to: float = 40.0
    skew: float = 3600.0
    dask: bool = True
    patience: float = 3000.0
    seed: int = 7


@dataclass(slots=True)
class Tally:
    """What was done to the house."""

    killed: int = 0
    stopped: int = 0
    restarts: int = 0
    dask_killed: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


class Workers:
    """Worker processes, each with a clock of its own; the dead are replaced."""

    def __init__(self, plan: Plan, chance: random.Random, environment: dict[str, str]) -> None:
        self._plan = plan
        self._chance = chance
        self._environment = environment
        self._count = 0
        self.processes: list[subprocess.Popen[bytes]] = []

    def fill(self, dask: str | None) -> None:
        """As many as there have to be; every fourth executes on Dask, the others by themselves."""
        self.processes = [item for item in self.processes if item.poll() is None]
        while len(self.processes) < self._plan.workers:
            self._count += 1
            on_dask = dask is not None and self._count % 4 == 0
            skew = self._chance.uniform(-self._plan.skew, self._plan.skew)
            self.processes.append(
                subprocess.Popen(
                    [sys.executable, str(HERE / "chaos_worker.py"), str(skew), "4"],
                    env={
                        **self._environment,
                        "SPINE_EXECUTION": dask if on_dask and dask else "inline",
                    },
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                )
            )

    def kill_one(self) -> None:
        _kill(self._chance.choice(self.processes))

    def stop(self) -> None:
        for item in self.processes:
            item.terminate()
        for item in self.processes:
            with suppress(subprocess.TimeoutExpired):
                item.wait(20)
            _kill(item)


class Dask:
    """A scheduler and two workers; a worker that was killed is replaced."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._port = _free_port()
        self._scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", str(self._port), "--no-dashboard"
        )
        self.workers: list[subprocess.Popen[bytes]] = []
        self.fill()

    @property
    def address(self) -> str:
        return f"dask://127.0.0.1:{self._port}"

    def fill(self) -> None:
        self.workers = [item for item in self.workers if item.poll() is None]
        while len(self.workers) < 2:
            self.workers.append(
                self._start(
                    *("worker", f"tcp://127.0.0.1:{self._port}", "--nthreads", "2"),
                    *("--no-dashboard", "--no-nanny", "--host", "127.0.0.1"),
                )
            )

    def stop(self) -> None:
        for item in (*self.workers, self._scheduler):
            _kill(item)

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def run_chaos(plan: Plan) -> Tally:
    """Submit, break, wait, judge."""
    tally, chance = Tally(), random.Random(plan.seed)
    started = time.monotonic()
    with ExitStack() as stack:
        server = stack.enter_context(started_server())
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="spine-chaos-")))
        environment = _environment(server, folder)
        container = _client(environment)
        container.admin().ensure_ready()
        _submitted(container, plan.runs)
        dask = Dask(environment) if plan.dask else None
        workers = Workers(plan, chance, environment)
        try:
            _break(plan, chance, server, workers, dask, container, tally)
        finally:
            workers.stop()
            if dask is not None:
                dask.stop()
        tally.seconds = time.monotonic() - started
        tally.faults = _judged(container, plan.runs)
        _tell(container, plan, tally)
        container.admin().close()
    return tally


def _environment(server: OwnServer, folder: Path) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("SPINE_")},
        "PYTHONPATH": str(HERE),
        "SPINE_HOME": str(folder),
        "SPINE_DATABASE_URL": server.url.render_as_string(hide_password=False),
        "SPINE_MODULES": "chaos_flow",
        "SPINE_LEASE": str(LEASE),
        "SPINE_LOG_LEVEL": "ERROR",
        "SPINE_DATABASE_POOL_SIZE": "3",
    }


def _client(environment: dict[str, str]) -> Container:
    for name in [name for name in os.environ if name.startswith("SPINE_")]:
        del os.environ[name]
    os.environ.update({k: v for k, v in environment.items() if k.startswith("SPINE_")})
    sys.path[:0] = [str(HERE)]
    return build_container(load_settings(), TerminalProgress(enabled=False))


def _submitted(container: Container, runs: int) -> None:
    submit = container.submit_run()
    for number in range(runs):
        submit(Submission(GRAPH, {"number": number}, request=f"chaos-{number}"))


def _break(
    plan: Plan,
    chance: random.Random,
    server: OwnServer,
    workers: Workers,
    dask: Dask | None,
    container: Container,
    tally: Tally,
) -> None:
    """Do harm until nothing is left to be done."""
    began = time.monotonic()
    next_restart = began + chance.uniform(plan.restart_from, plan.restart_to)
    while _left(container):
        if time.monotonic() > began + plan.patience:
            raise AssertionError(f"{_left(container)} runs are not final after {plan.patience} s")
        workers.fill(dask and dask.address)
        time.sleep(plan.every)  # the rhythm of the harm
        if chance.random() < plan.kill:
            workers.kill_one()
            tally.killed += 1
        if dask is not None and chance.random() < plan.kill / 2:
            _kill(chance.choice(dask.workers))
            dask.fill()
            tally.dask_killed += 1
        if plan.restart_from and time.monotonic() > next_restart:
            server.kill()
            server.start()
            tally.restarts += 1
            next_restart = time.monotonic() + chance.uniform(plan.restart_from, plan.restart_to)


def _left(container: Container) -> int:
    """How many runs are live, at most 1000; it asks until the database answers."""
    while True:
        try:
            with container.store().read() as unit:
                return sum(
                    len(unit.runs.list(RunFilter(pipeline=GRAPH, state=state, limit=500)))
                    for state in (RunState.PENDING, RunState.RUNNING)
                )
        except SpineError:
            time.sleep(0.1)


def _judged(container: Container, runs: int) -> list[str]:
    """All that is wrong."""
    faults: list[str] = []
    store: SqlStore = container.store()
    try:
        judge_runs(store)
    except AssertionError as error:
        faults.append(str(error))
    with store.read() as unit:
        traces = Counter(item.run for item in unit.captures.list(CaptureFilter(domain=DOMAIN)))
        tops = list(_all(unit.runs.list, RunFilter(pipeline=GRAPH, limit=1000)))
        parts = [run for top in tops for run in unit.runs.list(RunFilter(parent=top.id))]
    if len(tops) != runs:
        faults.append(f"{len(tops)} runs for {runs} requests")
    for run in tops:
        right = expected(run.parameters["number"])
        if run.state is not RunState.SUCCEEDED or run.output != {"last": right}:
            faults.append(f"run {run.id} is {run.state}: {run.output}, not {right}: {run.error}")
    done = {run.id for run in parts if run.state is RunState.SUCCEEDED}
    if len(done) != len(STEPS) * runs or set(traces) != done or set(traces.values()) - {1}:
        faults.append(f"{len(done)} steps have succeeded, {len(traces)} have left a trace")
    return faults


def _all(listing: Callable[[RunFilter], Sequence[Run]], wanted: RunFilter) -> Iterator[Run]:
    while page := listing(wanted):
        yield from page
        wanted = replace(wanted, before=page[-1].id)


def _tell(container: Container, plan: Plan, tally: Tally) -> None:
    kinds: Counter[str] = Counter()
    with container.store().read() as unit:
        for run in _all(unit.runs.list, RunFilter(pipeline="chaos.step", limit=1000)):
            kinds.update(event.kind.value for event in unit.journal.events(run.id))
    rows = [
        ("runs of five steps", plan.runs),
        ("seconds", round(tally.seconds, 1)),
        ("steps a second", round(5 * plan.runs / tally.seconds, 1)),
        ("workers killed", tally.killed),
        ("restarts of PostgreSQL", tally.restarts),
        ("Dask workers killed", tally.dask_killed),
        ("clocks off by up to, s", plan.skew),
        ("claims", kinds[EventKind.CLAIMED]),
        ("leases lost", kinds[EventKind.LEASE_LOST]),
        ("given back", kinds[EventKind.RELEASED]),
        ("tried again", kinds[EventKind.RETRY_SCHEDULED]),
        ("wrong results", len(tally.faults)),
    ]
    for name, value in rows:
        print(f"{name:<26}{value:>12}")
    for fault in tally.faults[:20]:
        print(fault)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """kill -9, with all that it has started."""
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        family = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, signal.SIGKILL)
        for child in family:
            with suppress(psutil.NoSuchProcess):
                child.kill()
    process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def main() -> None:
    defaults = Plan()
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for name in ("runs", "workers", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(defaults, name))
    for name in ("every", "kill", "skew", "patience"):
        parser.add_argument(f"--{name}", type=float, default=getattr(defaults, name))
    parser.add_argument("--no-dask", action="store_true")
    given = vars(parser.parse_args())
    plan = Plan(dask=not given.pop("no_dask"), **given)
    # As Ctrl-C does: what was started must end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    sys.exit(1 if run_chaos(plan).faults else 0)


if __name__ == "__main__":
    main()
