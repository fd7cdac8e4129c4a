"""A load is all or nothing, also when the server dies in the middle of it or at its commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from db2_rig import Rig
from polars.testing import assert_frame_equal
from pydantic import SecretStr
from sqlalchemy import Engine, event, func, select

from market_spine.adapters.inbound.cli.progress import TerminalProgress
from market_spine.adapters.outbound.sql.choosing import dialect_of
from market_spine.adapters.outbound.sql.dialects import Access
from market_spine.adapters.outbound.sql.metadata import METADATA
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.application.context import RunOutcome
from market_spine.bootstrap.container import Container, build_container
from market_spine.bootstrap.settings import Settings
from market_spine.domain.datasets import DatasetQuery
from market_spine.domain.errors import SpineError
from market_spine.domain.finra_otc.weeks import Tier
from market_spine.domain.runs import RunFilter, RunState
from market_spine.testing.finra_sample import ORIGIN, write_sample

REFRESH = "finra.otc_transparency.refresh_week"
# What a load writes, apart from its run.
WRITTEN = ("captures", "finra_otc_venue_volume", "finra_otc_names", "rejects", "quality_results")
Frames = dict[str, pl.DataFrame]


@contextmanager
def application(home: Path, url: str) -> Iterator[Container]:
    settings = Settings(home=home, database_url=SecretStr(url))
    container = build_container(settings, TerminalProgress(enabled=False))
    try:
        yield container
    finally:
        container.admin().close()


def refresh(container: Container, file: Path) -> RunOutcome:
    return container.run_pipeline()(REFRESH, {"file": str(file)})


def datasets(container: Container) -> Frames:
    reader = container.read_datasets()
    return {spec.name: reader.frame(spec.name, DatasetQuery()) for spec in reader.list()}


def rows_in(url: str) -> dict[str, int]:
    with dialect_of(url).engine(Access.CREATE).connect() as connection:
        return {
            name: connection.execute(
                select(func.count()).select_from(METADATA.tables[name])
            ).scalar_one()
            for name in WRITTEN
        }


def failed(load: Callable[[], RunOutcome]) -> bool:
    """Whether a load says so, one way or another, with a typed error."""
    try:
        return not load().result.ok
    except SpineError:
        return True


class Killer:
    """Kills the server once, before a statement that begins so, or before the n-th commit."""

    def __init__(self, rig: Rig, moment: str) -> None:
        self.rig, self.moment, self.struck = rig, moment, False
        self._commits = 0
        event.listen(Engine, "before_cursor_execute", self._statement)
        event.listen(Engine, "commit", self._commit)

    def _statement(self, _c: Any, _u: Any, statement: str, *_: Any) -> None:
        if statement.startswith(self.moment):
            self._strike()

    def _commit(self, _: Any) -> None:
        self._commits += 1
        if self.moment == f"commit {self._commits}":
            self._strike()

    def _strike(self) -> None:
        if not self.struck:
            self.struck = True
            self.rig.kill()

    def leave(self) -> None:
        event.remove(Engine, "before_cursor_execute", self._statement)
        event.remove(Engine, "commit", self._commit)


@pytest.fixture(scope="module")
def weekly_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (file,) = write_sample(
        tmp_path_factory.mktemp("weeks"),
        weeks=[ORIGIN],
        tiers=[Tier.OTC],
        rows={Tier.OTC: 60},
        next_session=lambda day: day + timedelta(days=(0, 0, 0, 0, 0, 2, 1)[day.weekday()]),
    )
    return file


@pytest.fixture(scope="module")
def undisturbed(weekly_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Frames:
    """The datasets after the same load into SQLite."""
    home = tmp_path_factory.mktemp("undisturbed")
    with application(home, f"sqlite:///{home / 'spine.db'}") as container:
        outcome = refresh(container, weekly_file)
        assert outcome.result.ok, outcome.result.error
        return datasets(container)


@pytest.mark.parametrize(
    "moment",
    [
        "MERGE INTO finra_otc_venue_volume",
        "INSERT INTO quality_results",
        "commit 2",
    ],
)
def test_the_server_dies_in_a_load(
    mortal_db2: Rig, weekly_file: Path, undisturbed: Frames, tmp_path: Path, moment: str
) -> None:
    with application(tmp_path / "home", mortal_db2.url) as container:
        container.admin().ensure_ready()
        killer = Killer(mortal_db2, moment)
        try:
            assert failed(lambda: refresh(container, weekly_file))
        finally:
            killer.leave()
        assert killer.struck, f"the load never came to {moment!r}"
        mortal_db2.start()
        assert set(rows_in(mortal_db2.url).values()) == {0}
        # The same command, in the process that has seen its connections die.
        again = refresh(container, weekly_file)
        assert again.result.ok, again.result.error
        found = datasets(container)
        with container.store().read() as unit:
            states = [run.state for run in unit.runs.list(RunFilter())]
    assert states == [RunState.SUCCEEDED, RunState.FAILED]
    assert found.keys() == undisturbed.keys()
    for name, frame in undisturbed.items():
        assert_frame_equal(found[name], frame)


def test_what_was_committed_survives_the_death_of_the_server(mortal_db2: Rig) -> None:
    from market_spine.testing.store_suite_samples import VOLUME, one_row, rows_of, with_capture

    store = SqlStore(mortal_db2.url)
    store.ensure_ready()
    (one,) = with_capture(store, "one")
    with store.write() as unit:
        unit.rows.replace(VOLUME, one.key, one_row())
        unit.commit()
    mortal_db2.kill()
    mortal_db2.start()
    with store.read() as unit:
        assert unit.captures.get("one") == one
        assert_frame_equal(rows_of(unit, one), one_row())
    store.close()
