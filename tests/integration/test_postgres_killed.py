"""kill -9 of the server in the middle of a refresh: all or nothing, and the same command completes.

Triggers stop the server at the very moment that is wanted; it waits there until it is killed.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cli_spine import Said, Spine, process
from crash_child import REFRESH, opened, url_of
from homes import copied, with_database
from postgres_server import OwnServer, started_server
from refresh_judge import (
    Frames,
    all_datasets,
    assert_same_datasets,
    datasets_of,
    judge,
    runs_of,
)
from sqlalchemy import make_url

from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.finra_otc.weeks import Tier
from market_spine.domain.runs import RunState
from market_spine.testing.finra_sample import ORIGIN, write_sample
from market_spine.testing.store_suite_samples import a_run

_HALT = "PERFORM pg_advisory_lock(7);"
_ROW = (
    "CREATE TRIGGER halt BEFORE {what} ON {table} FOR EACH ROW WHEN ({when})"
    " EXECUTE FUNCTION halt()"
)
_DONE = "NEW.run_state = 'SUCCEEDED'"


@dataclass(frozen=True, slots=True)
class Halt:
    """Where the server stops: what its trigger does, its definition, and what it then waits for."""

    action: str
    trigger: str
    waits_for: str = "advisory"
    kept: bool = False


HALTS = {
    "while rows come in by COPY": Halt(
        _HALT,
        _ROW.format(what="INSERT", table="finra_otc_venue_volume", when="NEW.symbol > 'M'"),
    ),
    "before the commit": Halt(_HALT, _ROW.format(what="UPDATE", table="runs", when=_DONE)),
    "in the commit": Halt(
        _HALT,
        "CREATE CONSTRAINT TRIGGER halt AFTER UPDATE ON runs DEFERRABLE INITIALLY DEFERRED"
        f" FOR EACH ROW WHEN ({_DONE}) EXECUTE FUNCTION halt()",
    ),
    # It is on the disk, and waits for a second server before it is told.
    "after the commit, before it is told": Halt(
        "PERFORM set_config('synchronous_commit', 'on', true);",
        _ROW.format(what="UPDATE", table="runs", when=_DONE),
        waits_for="SyncRep",
        kept=True,
    ),
}


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with started_server() as server:
        _execute(
            server.url.render_as_string(hide_password=False),
            "ALTER SYSTEM SET synchronous_standby_names = 'nobody'",
            "ALTER SYSTEM SET synchronous_commit = 'local'",
            "SELECT pg_reload_conf()",
        )
        yield server


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_sample(
        tmp_path_factory.mktemp("weeks"),
        weeks=[ORIGIN, ORIGIN + timedelta(weeks=1)],
        tiers=[Tier.OTC],
        rows={Tier.OTC: 500},
        next_session=lambda day: day,
    )


@pytest.fixture(scope="module")
def loaded(server: OwnServer, files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the first week."""
    home = with_database(tmp_path_factory.mktemp("loaded") / "home", server.url)
    assert refresh(home, files[0]).json()["status"] == "SUCCEEDED"
    return home


@pytest.fixture(scope="module")
def undisturbed(
    loaded: Path, files: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Frames:
    """What both weeks give, on SQLite."""
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    with opened(home) as container:
        for file in files:
            assert container.run_pipeline()(REFRESH, {"file": str(file)}).result.ok
        return all_datasets(container)


def refresh(home: Path, file: Path, code: int = 0) -> Said:
    """``spine run`` of the file, in a process of its own."""
    env = {"SPINE_HOME": str(home), "SPINE_DATABASE_URL": url_of(home)}
    words = ("run", REFRESH, "-p", f"file={file}", "--json")
    said = process(*words, folder=home.parent, env=env, code=code)
    assert "Traceback" not in said.err, said.err
    return said


@pytest.mark.parametrize("halt", HALTS.values(), ids=HALTS)
def test_a_server_killed_in_a_refresh_has_all_of_it_or_nothing(
    halt: Halt,
    server: OwnServer,
    loaded: Path,
    files: list[Path],
    undisturbed: Frames,
    tmp_path: Path,
) -> None:
    home = copied(loaded, tmp_path / "home")
    url = url_of(home)
    before = datasets_of(home)
    _execute(
        url,
        "CREATE FUNCTION halt() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {halt.action} RETURN NEW; END $$",
        halt.trigger,
    )

    with ThreadPoolExecutor(1) as pool, closing(_connected(url)) as holder:
        holder.execute("SELECT pg_advisory_lock(7)")
        running = pool.submit(refresh, home, files[1], 5)
        _wait_until_it_waits(holder, halt.waits_for, running.done)
        server.kill()
        document = running.result().json()

    assert document["status"] == "FAILED"
    error = document["error"]
    assert error["category"] == "DEPENDENCY", error
    assert error["context"]["metadata"]["fault"] == "connection_lost", error
    assert error["retryable"]
    assert "run it again" in error["hint"]
    server.start()
    _execute(url, "DROP FUNCTION halt CASCADE")
    if halt.kept:
        assert_same_datasets(datasets_of(home), undisturbed)
    else:
        assert_same_datasets(datasets_of(home), before)
    again = refresh(home, files[1]).json()
    assert again["metrics"]["captures_added"] == (0 if halt.kept else 1)
    judge(home)
    with opened(home) as container:
        states = [run.state for run in runs_of(container)]
        assert_same_datasets(all_datasets(container), undisturbed)
    interrupted = RunState.SUCCEEDED if halt.kept else RunState.FAILED
    assert states == [RunState.SUCCEEDED, interrupted, RunState.SUCCEEDED]


def test_a_server_that_is_down_is_told_at_once(
    server: OwnServer, loaded: Path, files: list[Path]
) -> None:
    server.kill()
    try:
        error = refresh(loaded, files[1], code=5).json()["error"]
    finally:
        server.start()
    assert error["category"] == "DEPENDENCY"
    assert error["context"]["metadata"]["fault"] == "unreachable"
    assert error["retryable"]
    assert str(server.url.query["host"]) in error["message"]


@pytest.mark.parametrize(
    "words",
    [("run", REFRESH, "-p", "file=x.csv"), ("runs", "list"), ("db", "upgrade"), ("doctor",)],
)
def test_a_port_where_nobody_listens_is_told_without_the_password(
    words: tuple[str, ...], spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINE_DATABASE_URL", "postgresql://me:correct-horse@127.0.0.1:1/prices")
    said = spine(*words, code=1 if words == ("doctor",) else 5)
    told = said.out + said.err
    assert "127.0.0.1:1/prices" in told
    assert "host and port" in told
    assert "horse" not in told
    assert "Traceback" not in told


def test_a_server_that_came_back_between_two_units_of_work_is_found(
    server: OwnServer, tmp_path: Path
) -> None:
    store = SqlStore(url_of(with_database(tmp_path / "home", server.url)))
    store.ensure_ready()
    with store.write() as unit:
        unit.runs.add(a_run())
        unit.commit()
    with store.read() as unit:
        assert unit.runs.get("run-1") is not None

    server.kill()
    server.start()

    with store.read() as unit:
        assert unit.runs.get("run-1") is not None
    with store.write() as unit:
        unit.runs.add(a_run("run-2"))
        unit.commit()
    assert store.status().current
    store.close()


def _connected(url: str) -> psycopg.Connection[Any]:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True, application_name="holder")


def _execute(url: str, *statements: str) -> None:
    with closing(_connected(url)) as connection:
        for statement in statements:
            connection.execute(statement)


def _wait_until_it_waits(holder: psycopg.Connection[Any], what: str, done: Any) -> None:
    waiting = "SELECT wait_event FROM pg_stat_activity WHERE application_name = 'market-spine'"
    while (what,) not in holder.execute(waiting).fetchall():
        assert not done(), "the refresh came to its end instead"
