"""What the operator is told of the archive, and that looking leaves no trace."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from finra_refresh_house import FinraHouse, Row, week

from market_spine.adapters.outbound.archive import FolderArchive
from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.application.diagnose import Diagnose
from market_spine.domain.errors import SourceError
from market_spine.domain.findings import Finding
from market_spine.ports.archive import RawArchive
from market_spine.testing.archive_suite import keep
from market_spine.testing.memory_archive import MemoryArchive

GOOD: list[Row] = [("AAA", "OTCN", "100", 2), ("BBB", "OTCX", "50", 1)]


def diagnose(house: FinraHouse, archive: RawArchive | None = None) -> dict[str, Finding]:
    store = house.store
    found = Diagnose({}, [], store, store, archive or house.archive, lambda: "none")()
    return {finding.name: finding for finding in found}


@pytest.fixture
def three_weeks(house: FinraHouse) -> FinraHouse:
    for number in range(3):
        house.refresh(GOOD, week(number))
    return house


# The comparison


def test_an_archive_that_has_every_raw_file_is_in_order(three_weeks: FinraHouse) -> None:
    found = diagnose(three_weeks)["archive"]
    assert found == Finding("archive", True, "3 raw files; every capture has its raw file")


def test_nothing_at_all_is_in_order(house: FinraHouse) -> None:
    assert diagnose(house)["archive"].ok


def test_captures_without_a_raw_file_are_a_problem_and_named(three_weeks: FinraHouse) -> None:
    first, second, third = three_weeks.captures()
    three_weeks.archive.delete(first.digest)
    three_weeks.archive.delete(third.digest)

    found = diagnose(three_weeks)["archive"]

    assert not found.ok
    assert found.detail.startswith("2 of 3 captures have no raw file: ")
    assert first.id in found.detail
    assert third.id in found.detail
    assert second.id not in found.detail
    assert found.hint == (
        "copy the folder archive of the home that captured them, or fetch the files again and "
        "run them with --force"
    )


def test_what_the_hint_says_puts_it_in_order(three_weeks: FinraHouse) -> None:
    three_weeks.archive.delete(three_weeks.captures()[1].digest)
    assert not diagnose(three_weeks)["archive"].ok

    three_weeks.refresh(GOOD, week(1), force=True)

    assert diagnose(three_weeks)["archive"].ok


def test_tiers_of_one_file_share_its_raw_file(house: FinraHouse) -> None:
    text = house.file(GOOD).read_text() + house.file(GOOD, tier="T1").read_text().split("\n", 1)[1]
    path = house.folder / "both.psv"
    path.write_text(text)
    assert house.run("refresh_week", file=str(path), week=week(0)).result.ok
    assert diagnose(house)["archive"].detail.startswith("1 raw file; every capture")

    house.archive.delete(house.captures()[0].digest)

    assert diagnose(house)["archive"].detail.startswith("2 of 2 captures have no raw file")


def test_content_of_no_capture_is_told_and_no_problem(three_weeks: FinraHouse) -> None:
    keep(three_weeks.archive, b"left by a run that was cut short")

    found = diagnose(three_weeks)["archive"]

    assert found.ok
    assert found.detail.startswith("4 raw files; 1 of them belong to no capture")


def test_both_are_told_together(three_weeks: FinraHouse) -> None:
    three_weeks.archive.delete(three_weeks.captures()[0].digest)
    keep(three_weeks.archive, b"orphan")

    found = diagnose(three_weeks)["archive"]

    assert not found.ok
    assert "1 of 3 captures have no raw file" in found.detail
    assert "1 of them belong to no capture" in found.detail


def test_a_long_list_is_cut(house: FinraHouse) -> None:
    for number in range(12):
        house.refresh(GOOD, week(number))
    house.archive.contents.clear()

    found = diagnose(house)["archive"]

    assert found.detail.startswith("12 of 12 captures have no raw file: ")
    assert "and 9 more" in found.detail
    assert sum(capture.id in found.detail for capture in house.captures()) == 3


def test_a_capture_that_arrives_while_looking_is_no_problem(three_weeks: FinraHouse) -> None:
    """Another process captures between the two looks: its content was archived before."""

    class BusyArchive(MemoryArchive):
        def digests(self) -> Iterator[str]:
            three_weeks.refresh([("CCC", "OTCN", "7", 1)], week(3))
            self.contents = three_weeks.archive.contents
            return super().digests()

    found = diagnose(three_weeks, BusyArchive())["archive"]

    assert found.ok
    assert "1 of them belong to no capture" in found.detail


def test_an_archive_that_cannot_be_looked_into_is_a_problem(three_weeks: FinraHouse) -> None:
    class Unreadable(MemoryArchive):
        def digests(self) -> Iterator[str]:
            raise SourceError("the archive may not be used", hint="let this user read there")

    found = diagnose(three_weeks, Unreadable())

    assert found["archive"] == Finding(
        "archive", False, "the archive may not be used", "let this user read there"
    )
    assert found["modules"].ok


# Databases that cannot be compared with


class Place:
    """A folder with a database in SQLite and an archive in files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "spine.db"
        self.store = SqlStore(f"sqlite:///{self.database}")
        self.archive = FolderArchive(folder / "archive")

    def diagnose(self) -> dict[str, Finding]:
        before = self.files()
        found = Diagnose({}, [], self.store, self.store, self.archive, lambda: "none")()
        self.store.close()
        assert self.files() == before
        return {finding.name: finding for finding in found}

    def files(self) -> dict[str, bytes | None]:
        return {
            str(path.relative_to(self.folder)): path.read_bytes() if path.is_file() else None
            for path in self.folder.rglob("*")
        }

    def execute(self, statement: str) -> None:
        connection = sqlite3.connect(self.database)
        connection.execute(statement)
        connection.commit()
        connection.close()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_where_nothing_is_yet_nothing_is_made(place: Place) -> None:
    found = place.diagnose()

    assert found["database"].ok
    assert found["archive"] == Finding(
        "archive", True, "0 raw files; the database knows no captures yet"
    )
    assert place.files() == {}


def test_an_empty_database_is_compared(place: Place) -> None:
    place.store.upgrade()
    place.store.close()
    keep(place.archive, b"orphan")

    found = place.diagnose()

    assert found["archive"].ok
    assert "1 of them belong to no capture" in found["archive"].detail


def test_an_archive_without_a_database_is_counted(place: Place) -> None:
    keep(place.archive, b"abc")

    assert place.diagnose()["archive"].detail == "1 raw file; the database knows no captures yet"


def test_with_a_damaged_database_the_comparison_is_skipped_and_said_so(place: Place) -> None:
    keep(place.archive, b"abc")
    place.database.write_bytes(b"no database at all" * 1000)

    found = place.diagnose()

    assert not found["database"].ok
    assert found["archive"] == Finding(
        "archive", True, "1 raw file; not compared with the captures: the database cannot be read"
    )


def test_with_another_revision_the_comparison_is_skipped_and_said_so(place: Place) -> None:
    place.store.upgrade()
    place.store.close()
    place.execute("UPDATE alembic_version SET version_num = 'from-the-future'")

    found = place.diagnose()

    assert not found["schema"].ok
    assert found["archive"].ok
    assert "not compared" in found["archive"].detail


def test_captures_that_cannot_be_listed_are_a_problem(place: Place) -> None:
    place.store.upgrade()
    place.store.close()
    place.execute("DROP TABLE captures")

    found = place.diagnose()

    assert found["database"].ok
    assert not found["captures"].ok
    assert found["captures"].hint
    assert found["archive"].ok
    assert "they cannot be listed" in found["archive"].detail
