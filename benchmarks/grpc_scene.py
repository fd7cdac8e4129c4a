"""A store with something in it, and servers of the API on it, each a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
from postgres_place import connect, fresh_schema, postgres
from queue_and_history import CHUNK, Place, runs
from week_file import write_week

from market_spine.adapters.inbound.cli.progress import TerminalProgress
from market_spine.application.access.tokens import CreateToken
from market_spine.application.submissions import Submission
from market_spine.bootstrap.application import Application
from market_spine.bootstrap.settings import Settings
from market_spine.domain.access import Role
from market_spine.domain.datasets import DatasetQuery

REFRESH = "finra.otc_transparency.refresh_week"
WEEK_FILE = "finra_otc_weekly_t1_20251201.csv"


@dataclass
class Scene:
    """What servers are measured on; ``run`` is the name of a run that waits."""

    environment: Mapping[str, str]
    application: Application
    run: str = ""
    dataset: str = "finra.otc_transparency.venue_volume"
    pid: int = field(default=0, init=False)

    @contextmanager
    def served(self, **settings: str) -> Iterator[int]:
        """The port of a server with some more settings; it executes nothing."""
        command = [Path(sys.executable).with_name("spine"), "serve", "--workers", "0"]
        process = subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0"],
            env={**os.environ, **self.environment, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            self.pid = process.pid
            yield int(said.rpartition(":")[2])
        finally:
            process.terminate()
            process.wait()

    def submit(self) -> str:
        """The name of a new run, which nobody executes."""
        submission = Submission(REFRESH, {"file": "none.csv"})
        return f"runs/{self.application.submit_run()(submission).id}"

    def cancel(self, run: str) -> None:
        self.application.cancel_run()(run.removeprefix("runs/"))

    def token(self) -> str:
        container = self.application.container
        make = CreateToken(
            container.store(), container.clock(), container.ids(), container.unguessable()
        )
        return make("benchmark", Role.VIEWER, None)[1]

    def read(self) -> pl.DataFrame:
        return self.application.read_datasets().frame(self.dataset, DatasetQuery())


def on_sqlite(folder: Path, rows: int) -> Scene:
    """A laptop's store; with a week of so many rows, if any."""
    home = folder / "home"
    settings = Settings(home=home)
    application = Application(settings, TerminalProgress())
    scene = Scene({"SPINE_HOME": str(home)}, application)
    if rows:
        week = folder / WEEK_FILE
        write_week(week, rows)
        application.container.run_pipeline()(REFRESH, {"file": str(week)}).result.unwrap()
    scene.run = scene.submit()
    return scene


@contextmanager
def on_postgres(folder: Path, count: int) -> Iterator[Scene]:
    """A store with a long history."""
    with postgres(folder) as server:
        url = fresh_schema(server)
        environment = {"SPINE_HOME": str(folder / "long"), "SPINE_DATABASE_URL": url}
        application = Application(
            Settings(home=folder / "long", database_url=url), TerminalProgress()
        )
        application.container.store()

        def analyze() -> None:
            with connect(server) as connection:
                connection.execute("VACUUM (ANALYZE) runs")

        starts = range(0, count, CHUNK)
        Place(url, analyze).load(
            "runs", *((lambda n=n: runs(n, min(CHUNK, count - n))) for n in starts)
        )
        yield Scene(environment, application)
