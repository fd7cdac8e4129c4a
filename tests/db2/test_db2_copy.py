"""The path SQLite -> Db2 -> SQLite, also where the copy or the server is killed on it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from copy_tools import Watching, assert_same, copy, digests, everything, filled, opened
from db2_rig import Rig

from market_spine.domain.errors import ConfigurationError, LoadError, SpineError
from market_spine.ports.store_copy import Claim
from market_spine.testing.copy_sample import use_store
from market_spine.testing.sql_copy_suite import SqlCopySuite
from market_spine.testing.store_suite_samples import a_capture, a_check, a_run

CHILD = Path(__file__).parents[1] / "copy_child.py"


class TestSqliteToDb2(SqlCopySuite):
    @pytest.fixture
    def source_url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'source.db'}"

    @pytest.fixture
    def target_url(self, db2_url: str) -> str:
        return db2_url


class TestDb2ToSqlite(SqlCopySuite):
    @pytest.fixture
    def source_url(self, db2_url: str) -> str:
        return db2_url

    @pytest.fixture
    def target_url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'target.db'}"


@pytest.fixture
def source(tmp_path: Path) -> str:
    return filled(f"sqlite:///{tmp_path / 'source.db'}")


def test_there_and_back_again_is_the_same_store(source: str, db2_url: str, tmp_path: Path) -> None:
    back = f"sqlite:///{tmp_path / 'back.db'}"
    there = copy(source, db2_url)
    again = copy(db2_url, back, batch_rows=1_000)
    assert digests(again) == digests(there)
    assert_same(back, source)


def test_from_postgresql_to_db2(source: str, postgres_url: str, db2_url: str) -> None:
    first = copy(source, postgres_url)
    second = copy(postgres_url, db2_url, batch_rows=1_000)
    assert digests(second) == digests(first)


def test_keys_that_the_copy_gives_follow_those_it_was_given(source: str, db2_url: str) -> None:
    copy(source, db2_url)
    with opened(db2_url) as store, store.write() as unit:
        unit.runs.add(a_run("run-new"))
        capture = unit.captures.add(a_capture("cap-new", run="run-new"))
        unit.quality.add([a_check(capture, "NEW", run="run-new")])
        unit.commit()
    for name, column in (("captures", "capture_key"), ("quality_results", "result_key")):
        before, now = (everything(url)[name][column].to_list() for url in (source, db2_url))
        assert len(now) == len(before) + 1
        assert max(now) > max(before)


def test_a_source_that_changes_while_it_is_read_is_noticed(
    source: str, db2_url: str, tmp_path: Path
) -> None:
    """Db2 has no snapshots: what was read of one table may be older than what was of another."""
    copy(source, db2_url)
    target = f"sqlite:///{tmp_path / 'target.db'}"

    def use(step: str | int) -> None:
        if step == "copying rejects":
            with opened(db2_url) as store:
                use_store(store)

    with pytest.raises(SpineError) as refused:
        copy(db2_url, target, progress=Watching(use))
    assert "same command again" in str(refused.value.hint)
    with pytest.raises(ConfigurationError, match="unfinished copy"), opened(target):
        pass
    assert copy(db2_url, target).found is Claim.UNFINISHED
    assert_same(target, db2_url)


def test_a_copy_survives_kill_9(source: str, db2_url: str, subtests: pytest.Subtests) -> None:
    with opened(db2_url):
        pass
    for die_at in (40, 65, 90):
        with subtests.test(f"killed before statement {die_at}"):
            done = subprocess.run(
                [sys.executable, CHILD, source, db2_url, "20", str(die_at)],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
            with pytest.raises(ConfigurationError, match="unfinished copy"), opened(db2_url):
                pass
    report = copy(source, db2_url, batch_rows=20)
    assert report.found is Claim.UNFINISHED
    assert report.written < report.rows
    assert_same(db2_url, source)


def test_a_copy_survives_the_end_of_the_server(source: str, mortal_db2: Rig) -> None:
    def kill(step: str | int) -> None:
        if step == "copying captures":
            mortal_db2.kill()

    with pytest.raises(LoadError) as refused:
        copy(source, mortal_db2.url, progress=Watching(kill))
    assert "copying captures" in refused.value.message
    mortal_db2.start()
    report = copy(source, mortal_db2.url)
    assert report.found is Claim.UNFINISHED
    assert report.written < report.rows
    assert_same(mortal_db2.url, source)
