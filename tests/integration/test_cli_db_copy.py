from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cli_spine import Spine, process

from market_spine.application.copy_store import CopyStore


@pytest.fixture
def target(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'copy' / 'spine.db'}"


def test_what_was_copied_answers_alike(
    there: Spine, target: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDDLE", postgres_url)
    there("db", "copy", "--to", "env:MIDDLE")
    there("db", "copy", "--from", "env:MIDDLE", "--to", target)
    datasets = [item["name"] for item in there("data", "list", "--json").json()]
    questions = [
        *(("data", "show", name, "--format", "csv") for name in datasets),
        ("runs", "list", "--json"),
        ("captures", "list", "--json"),
        ("quality", "list", "--json"),
        ("rejects", "list", "--json"),
    ]
    answers = [there(*question).out for question in questions]
    assert sum(len(answer.splitlines()) > 1 for answer in answers) > 10
    for url in (postgres_url, target):
        monkeypatch.setenv("SPINE_DATABASE_URL", url)
        assert [there(*question).out for question in questions] == answers
        assert there("doctor", code=None).code == 0


def test_the_document_tells_every_table(there: Spine, target: str) -> None:
    found = there("db", "copy", "--to", target, "--batch-rows", "2", "--json").json()
    assert found["found"] == "new"
    assert found["rows"] == found["written"] == sum(table["rows"] for table in found["tables"])
    volume = next(item for item in found["tables"] if item["name"] == "finra_otc_venue_volume")
    assert volume["rows"] > 0
    assert len(volume["digest"]) == 32
    assert volume["seconds"] >= 0
    again = there("db", "copy", "--to", target, "--json").json()
    assert (again["found"], again["written"]) == ("occupied", 0)
    assert [table["digest"] for table in again["tables"]] == [
        table["digest"] for table in found["tables"]
    ]


def test_the_table_ends_with_what_to_do_for_the_raw_files(there: Spine, target: str) -> None:
    said = there("db", "copy", "--to", target)
    assert "finra_otc_venue_volume" in said.out
    assert "raw files are not in the database" in said.out
    assert "of them written now" in said.out
    again = there("db", "copy", "--to", target).out
    assert "copy was made before" in again
    assert "written now" not in again


def test_a_source_without_a_store_leaves_everything_as_it_is(spine: Spine, target: str) -> None:
    said = spine("db", "copy", "--to", target, code=6)
    assert "no store" in said.err
    assert list(Path.cwd().rglob("*")) == []


def test_one_database_is_not_both(there: Spine, tmp_path: Path) -> None:
    store = Path.cwd() / ".spine" / "spine.db"
    link = tmp_path / "link.db"
    link.symlink_to(store)
    for url in (f"sqlite:///{store}", "sqlite:///.spine/spine.db", f"sqlite:///{link}"):
        assert "same database" in there("db", "copy", "--to", url, code=6).err


def test_urls_are_read_from_where_they_stand(there: Spine, target: str, tmp_path: Path) -> None:
    place = tmp_path / "url"
    for content, complaint in ((None, "cannot be read"), (" \n", "holds no database URL")):
        if content is not None:
            place.write_text(content)
        assert complaint in there("db", "copy", "--to", f"file:{place}", code=6).err
    assert "NOWHERE holds no" in there("db", "copy", "--to", "env:NOWHERE", code=6).err
    place.write_text(f"{target}\n")
    assert there("db", "copy", "--to", f"file:{place}", "--json").json()["found"] == "new"


@pytest.mark.parametrize("side", ["--from", "--to"])
def test_no_password_is_shown(there: Spine, target: str, side: str) -> None:
    secret = "hunter2-Geheim"
    unreachable = f"postgresql+psycopg://me:{secret}@127.0.0.1:9/spine?connect_timeout=2"
    other = "--to" if side == "--from" else "--from"
    given = [side, unreachable]
    if other == "--to":
        given += [other, target]
    for form in ([], ["--json"]):
        said = there("db", "copy", *given, *form, code=5)
        assert "cannot be reached" in said.err
        assert secret not in said.out + said.err


def test_wrong_words_are_usage_errors(there: Spine, target: str) -> None:
    assert there("db", "copy", code=2).err
    assert there("db", "copy", "--to", target, "--batch-rows", "0", code=2).err
    assert "not supported" in there("db", "copy", "--to", "mysql://host/db", code=6).err
    assert "cannot be read" in there("db", "copy", "--to", "nonsense", code=6).err


def test_ctrl_c_tells_how_to_go_on(
    there: Spine, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: CopyStore, *, batch_rows: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(CopyStore, "__call__", interrupted)
    said = there("db", "copy", "--to", target, code=130)
    assert "same command again" in said.err


def test_a_copy_as_users_run_it(filled: Path, target: str) -> None:
    said = process("db", "copy", "--to", "env:TARGET", folder=filled, env={"TARGET": target})
    assert "is a copy of" in said.out
    shown = process("data", "list", "--json", folder=filled, env={"SPINE_DATABASE_URL": target})
    assert shown.out
    assert os.path.getsize(target.removeprefix("sqlite:///")) > 0  # noqa: PTH202  # a plain look


@pytest.mark.parametrize("question", ["current", "upgrade", "doctor"])
def test_an_unfinished_copy_is_told_by_every_question(spine: Spine, question: str) -> None:
    spine("db", "upgrade")
    with closing(sqlite3.connect(".spine/spine.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'copying-0002-abc'")
        connection.commit()

    said = spine(*(("doctor",) if question == "doctor" else ("db", question)), code=None)

    assert said.code in (1, 6)
    assert "'spine db copy'" in said.out + said.err
    assert "spine db upgrade" not in said.out + said.err
