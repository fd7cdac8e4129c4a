from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from copy_tools import Watching, assert_same, copy, digests, everything, filled, opened
from postgres_server import own_schema
from sqlalchemy import URL, Connection, NullPool, create_engine, make_url, text

from market_spine.domain.captures import CaptureFilter, PartitionFilter
from market_spine.domain.errors import Category, ConfigurationError, LoadError, SpineError
from market_spine.ports.store_copy import Claim
from market_spine.testing.copy_sample import use_store
from market_spine.testing.store_suite_samples import VOLUME, a_capture, a_check, a_run, one_row


@pytest.fixture
def source(tmp_path: Path) -> str:
    return filled(f"sqlite:///{tmp_path / 'source.db'}")


@pytest.fixture(params=["sqlite", "postgres"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'target.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.mark.parametrize("batch_rows", [1, 5, 10_000])
def test_a_copy_is_the_same_value_for_value(source: str, target: str, batch_rows: int) -> None:
    report = copy(source, target, batch_rows=batch_rows)
    assert report.found is Claim.NEW
    assert report.written == report.rows > 100
    assert_same(target, source)


def test_there_and_back_again_is_the_same_store(
    source: str, postgres_url: str, tmp_path: Path
) -> None:
    back = f"sqlite:///{tmp_path / 'back.db'}"
    there = copy(source, postgres_url)
    again = copy(postgres_url, back, batch_rows=3)
    assert digests(again) == digests(there)
    assert_same(back, source)


@pytest.mark.parametrize("value", ["nul \0 inside", "x" * 300])
def test_what_the_target_cannot_keep_is_an_error_that_names_the_table(
    source: str, postgres_url: str, value: str
) -> None:
    with _driver(source) as connection:
        connection.execute(text("UPDATE runs SET step_name = :value"), {"value": value})
    with pytest.raises(LoadError, match="copying runs stopped") as refused:
        copy(source, postgres_url)
    assert refused.value.category is Category.VALIDATION
    assert "runs.step_name" in refused.value.message
    assert value not in str(refused.value)
    hint = str(refused.value.hint)
    assert "mend it" in hint
    assert source.removeprefix("sqlite:///") in hint
    assert "same command again" not in hint, "it would stop here again"
    with _driver(source) as connection:
        connection.execute(text("UPDATE runs SET step_name = NULL"))
    assert copy(source, postgres_url).found is Claim.UNFINISHED
    assert_same(postgres_url, source)


def test_an_empty_store_is_copied_too(target: str, tmp_path: Path) -> None:
    empty = f"sqlite:///{tmp_path / 'empty.db'}"
    with opened(empty):
        pass
    assert copy(empty, target).rows == 0
    with opened(target) as store:
        assert store.status().current


def test_keys_that_the_copy_gives_follow_those_it_was_given(source: str, target: str) -> None:
    copy(source, target)
    highest = {
        name: int(everything(source)[name][column].max() or 0)  # type: ignore[arg-type]
        for name, column in (("captures", "capture_key"), ("quality_results", "result_key"))
    }
    with opened(target) as store:
        with store.write() as unit:
            unit.runs.add(a_run("run-new"))
            capture = unit.captures.add(a_capture("cap-new", run="run-new"))
            unit.quality.add([a_check(capture, "NEW", run="run-new")])
            unit.rows.replace(VOLUME, capture.key, one_row())
            unit.commit()
        with store.read() as unit:
            known = unit.captures.list(CaptureFilter())
            assert len(unit.quality.list(PartitionFilter(run="run-new"))) == 1
    assert capture.key > highest["captures"]
    assert capture.supersedes == "cap-2"
    assert len({item.key for item in known}) == len(known) == 4
    assert everything(target)["quality_results"]["result_key"].max() > highest["quality_results"]


def test_a_store_in_use_gives_one_moment_of_itself(
    source: str, target: str, tmp_path: Path
) -> None:
    before = f"sqlite:///{tmp_path / 'before.db'}"
    copy(source, before)
    used: list[str] = []

    def use(step: str | int) -> None:
        if step == "copying runs":
            with opened(source) as store:
                use_store(store)
            used.append(step)

    copy(source, target, progress=Watching(use))
    assert used
    assert_same(target, before)
    with pytest.raises(AssertionError):
        assert_same(target, source)


@pytest.mark.parametrize("at", ["finra_otc_venue_volume", "runs", "captures", "rejects"])
def test_a_copy_goes_on_where_it_stopped(source: str, target: str, at: str) -> None:
    _stopped(source, target, at)
    with pytest.raises(ConfigurationError, match="unfinished copy") as refused:
        _open(target)
    assert "spine db copy" in str(refused.value.hint)
    report = copy(source, target, batch_rows=5)
    assert report.found is Claim.UNFINISHED
    assert 0 < report.written < report.rows
    written = {table.name: table.written for table in report.tables}
    before = [table.name for table in report.tables].index(at)
    assert all(table.written == 0 for table in report.tables[:before]), written
    assert_same(target, source)


@pytest.mark.parametrize("at", ["runs", "manifest", "quality_results", "comparing runs"])
def test_a_source_that_changed_meanwhile_is_copied_as_it_is_now(
    source: str, target: str, at: str
) -> None:
    _stopped(source, target, at)
    with opened(source) as store:
        use_store(store)
        with store.write() as unit:
            # Fewer rows in the middle, and one that is another.
            key = unit.captures.list(CaptureFilter())[1].key
            unit.rows.replace(VOLUME, key, one_row("ZZZ"))
            unit.commit()
    copy(source, target)
    assert_same(target, source)


def test_a_link_that_changed_meanwhile_is_as_it_is_now(source: str, target: str) -> None:
    _stopped(source, target, "manifest")
    with _driver(source) as connection:
        connection.execute(text("UPDATE runs SET parent_id = NULL WHERE run_id = 'run-2'"))
        connection.execute(text("UPDATE runs SET parent_id = 'run-2' WHERE run_id = 'run-9'"))
    copy(source, target)
    assert_same(target, source)


def test_whatever_else_is_written_into_the_target_is_noticed(source: str, target: str) -> None:
    def meddle(step: str | int) -> None:
        if step == "copying rejects":
            with _driver(target) as connection:
                connection.execute(text("UPDATE captures SET rows_read = 7"))

    with pytest.raises(LoadError) as refused:
        copy(source, target, progress=Watching(meddle))
    assert "captures" in refused.value.message
    assert "same command again" in str(refused.value.hint)
    with pytest.raises(ConfigurationError, match="unfinished copy"):
        _open(target)
    copy(source, target)
    assert_same(target, source)


def test_a_second_copy_takes_the_target_over(source: str, target: str) -> None:
    def second(step: str | int) -> None:
        if step == "copying manifest":
            copy(source, target)

    with pytest.raises(LoadError, match="another process") as refused:
        copy(source, target, progress=Watching(second))
    assert refused.value.category is Category.CONFIGURATION
    assert_same(target, source)


@pytest.mark.parametrize("rows", ["none", "some"])
def test_one_database_is_not_both_however_it_is_named(
    source: str, postgres_url: str, tmp_path: Path, rows: str
) -> None:
    made = postgres_url if rows == "none" else copy(source, postgres_url) and postgres_url
    _open(made)
    given = make_url(postgres_url)
    options = str(given.query["options"])
    schema = options.rpartition("=")[2]
    spellings = [f"-c search_path={schema}", f"--search_path={schema},public"]
    others = [given.update_query_dict({"options": option}) for option in spellings]
    others.append(given.update_query_dict({"application_name": "another"}))
    if (directory := given.query.get("host")) and not given.host:
        # A socket is a folder, and that has many names.
        link = tmp_path / "socket"
        link.symlink_to(str(directory))
        others.append(given.update_query_dict({"host": str(link)}))
    before = everything(postgres_url)
    for other in others:
        url = other.render_as_string(hide_password=False)
        assert url != postgres_url
        for pair in ((postgres_url, url), (url, postgres_url)):
            with pytest.raises(ConfigurationError, match="same database"):
                copy(*pair)
    _open(postgres_url)
    assert all(frame.equals(before[name]) for name, frame in everything(postgres_url).items())


@pytest.mark.parametrize("rows", ["none", "some"])
def test_one_file_is_not_both_however_it_is_named(tmp_path: Path, rows: str) -> None:
    store = tmp_path / "store.db"
    url = f"sqlite:///{store}"
    if rows == "some":
        filled(url)
    _open(url)
    (tmp_path / "link.db").symlink_to(store)
    (tmp_path / "hard.db").hardlink_to(store)
    (tmp_path / "folder").symlink_to(tmp_path)
    for name in ("link.db", "hard.db", "folder/store.db"):
        for pair in ((url, f"sqlite:///{tmp_path / name}"), (f"sqlite:///{tmp_path / name}", url)):
            with pytest.raises(ConfigurationError, match="same database"):
                copy(*pair)
    _open(url)


def test_two_schemas_of_one_database_are_two(
    source: str, postgres_url: str, postgres_server: URL
) -> None:
    copy(source, postgres_url)
    with own_schema(postgres_server) as other:
        assert copy(postgres_url, other).found is Claim.NEW
        assert copy(postgres_url, other).found is Claim.OCCUPIED


def test_doing_it_again_finds_the_same_store_there(source: str, target: str) -> None:
    first = copy(source, target)
    again = copy(source, target)
    assert again.found is Claim.OCCUPIED
    assert again.written == 0
    assert digests(again) == digests(first)


@pytest.mark.parametrize("change", ["more", "other"])
def test_a_store_of_its_own_is_never_overwritten(source: str, target: str, change: str) -> None:
    copy(source, target)
    with opened(source) as store:
        if change == "more":
            use_store(store)
        else:
            with store.write() as unit:
                unit.captures.record_counts(1, read=1, accepted=1, rejected=0)
                unit.commit()
    before = everything(target)
    with pytest.raises(ConfigurationError, match="rows of its own") as refused:
        copy(source, target)
    assert "empty database" in str(refused.value.hint)
    assert all(frame.equals(before[name]) for name, frame in everything(target).items())
    _open(target)


def test_a_target_of_another_revision_is_refused(source: str, target: str) -> None:
    with opened(target):
        pass
    for revision, what in (("0001", "spine db upgrade"), ("9999", "update the software")):
        _set_revision(target, revision)
        with pytest.raises(ConfigurationError, match=revision) as refused:
            copy(source, target)
        assert what in str(refused.value.hint)
    _set_revision(target, "copying-0001-0123456789abcdef")
    with pytest.raises(ConfigurationError, match="unfinished copy of revision 0001"):
        copy(source, target)


def test_a_source_of_another_revision_is_refused(source: str, target: str) -> None:
    for revision, what in (("0001", "spine db upgrade"), ("9999", "update the software")):
        _set_revision(source, revision)
        with pytest.raises(ConfigurationError, match=revision) as refused:
            copy(source, target)
        assert what in str(refused.value.hint)
    _set_revision(source, "copying-0002-0123456789abcdef")
    with pytest.raises(ConfigurationError, match="unfinished copy"):
        copy(source, target)


def test_what_is_no_store_is_refused_on_either_side(
    source: str, target: str, tmp_path: Path
) -> None:
    missing = f"sqlite:///{tmp_path / 'missing.db'}"
    with pytest.raises(ConfigurationError, match="no store"):
        copy(missing, target)
    assert not (tmp_path / "missing.db").exists()
    alien = tmp_path / "alien.db"
    with closing(sqlite3.connect(alien)) as connection:
        connection.execute("CREATE TABLE theirs (id INTEGER)")
    content = alien.read_bytes()
    with pytest.raises(ConfigurationError, match="no store"):
        copy(f"sqlite:///{alien}", target)
    with pytest.raises(ConfigurationError, match="something else"):
        copy(source, f"sqlite:///{alien}")
    assert alien.read_bytes() == content
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"no database" * 100)
    with pytest.raises(SpineError, match="no SQLite database"):
        copy(f"sqlite:///{garbage}", target)
    # None of these has touched the target.
    assert copy(source, target).found is Claim.NEW


def _stopped(source: str, target: str, at: str) -> None:
    """Copy until ``at``, a table or a step, is reached and two of its batches are done."""
    wanted = at if " " in at else f"copying {at}"
    left: list[int] = []

    def stop(step: str | int) -> None:
        if step == wanted:
            left.append(1)
        elif left and isinstance(step, int):
            left.append(step)
        if len(left) == 3 or (left and step != wanted and isinstance(step, str)):
            raise InterruptedError(at)

    with pytest.raises(InterruptedError):
        copy(source, target, batch_rows=2, progress=Watching(stop))


def _open(url: str) -> None:
    with opened(url):
        pass


@contextmanager
def _driver(url: str) -> Iterator[Connection]:
    """A transaction around our software."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        yield connection


def _set_revision(url: str, revision: str) -> None:
    with _driver(url) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :r"), {"r": revision})
