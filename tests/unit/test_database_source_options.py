"""A database source before anything is opened: its options, its secrets, its driver."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

from market_spine.adapters.outbound.databases import DatabaseSource
from market_spine.adapters.outbound.databases.addresses import GivenUrl
from market_spine.adapters.outbound.sources.registry import SourceRegistry
from market_spine.domain.errors import Category, ConfigurationError, SpineError, ValidationError
from market_spine.domain.redaction import redact
from market_spine.ports.sources import source_type_of

SECRET = "hunter2"
URL = f"postgresql+psycopg://spine:{SECRET}@127.0.0.1:1/prices?sslpassword={SECRET}"


def shown(source: DatabaseSource, error: BaseException | None = None) -> str:
    text = repr(source) + repr(vars(source)) + json.dumps(dict(source.describe().options))
    if isinstance(error, SpineError):
        text += str(error.to_dict()) + repr(error) + str(error)
    return text + ("".join(traceback.format_exception(error)) if error else "")


def test_it_opens_by_the_name_of_its_type() -> None:
    type_ = source_type_of(DatabaseSource)
    assert type_ is not None
    source = SourceRegistry([type_]).open("database", url="sqlite:///x.db", table="main.prices")
    described = source.describe()
    assert (described.type, described.name) == ("database", "main.prices")
    assert described.options == {"url": "sqlite:///x.db", "table": "main.prices"}
    with pytest.raises(ValidationError, match="query"):
        SourceRegistry([type_]).open("database", url="sqlite:///x.db")


def test_a_password_is_shown_nowhere() -> None:
    source = DatabaseSource(
        URL,
        query="select :token as t, :day as d",
        parameters={"token": SECRET, "day": "2025-12-01"},
        key=["t"],
        timeout=5,
    )
    options = source.describe().options
    assert options["parameters"] == {"token": "***", "day": "2025-12-01"}
    assert (options["key"], options["timeout"]) == (["t"], 5)
    with pytest.raises(SpineError) as caught:
        source.validate()
    assert caught.value.category is Category.DEPENDENCY
    assert SECRET not in json.dumps(caught.value.to_dict())
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in repr(source) + json.dumps(dict(options))


@pytest.mark.parametrize("url", [URL, "env:SPINE_TEST_PRICES", "file:{folder}/url"])
def test_no_way_of_giving_a_url_shows_it(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINE_TEST_PRICES", URL)
    (tmp_path / "url").write_text(URL + "\n")
    source = DatabaseSource(url.format(folder=tmp_path), table="t")
    assert SECRET not in shown(source)
    with pytest.raises(SpineError) as caught:
        source.fetch()
    assert SECRET not in shown(source, caught.value)
    assert caught.value.hint


def test_a_reference_is_looked_up_on_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("create table t as select 1 as n")
    connection.close()
    source = DatabaseSource("env:SPINE_TEST_PRICES", table="t")
    assert source.describe().options["url"] == "env:SPINE_TEST_PRICES"
    with pytest.raises(ConfigurationError, match="SPINE_TEST_PRICES is not set"):
        source.validate()
    monkeypatch.setenv("SPINE_TEST_PRICES", f"sqlite:///{tmp_path}/a.db")
    assert source.fetch().frame["n"].to_list() == [1]
    by_file = DatabaseSource(f"file:{tmp_path}/url", table="t")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        by_file.validate()
    (tmp_path / "url").write_text(f"sqlite:///{tmp_path}/a.db\n")
    assert by_file.fetch().rows == 1


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://h/d?passwrd=hunter2", "postgresql://h/d?passwrd=***"),
        (
            "postgresql://h/d?host=a&host=b&sslmode=require&x=hunter2",
            "postgresql://h/d?host=a&host=b&sslmode=require&x=***",
        ),
        ("db2://u:p@h/D?Authentication=x;hunter2", "db2://u:***@h/D?Authentication=***"),
        ("db2://u:p@h/D?authentication=SERVER", "db2://u:***@h/D?authentication=SERVER"),
        (
            "db2://h/D?Security=SSL;PWD=hunter2&CurrentSchema=S",
            "db2://h/D?Security=***&CurrentSchema=S",
        ),
        ("sqlite:///x.db?key=hunter2", "sqlite:///x.db?key=***"),
        ("postgresql://h/d?options=-cspine.password%3Dhunter2", "postgresql://h/d?options=***"),
        (
            "postgresql://h/d?options=-csearch_path%3Done",
            "postgresql://h/d?options=-csearch_path%3Done",
        ),
    ],
)
def test_only_what_is_known_to_be_harmless_is_shown_of_a_url(url: str, expected: str) -> None:
    assert DatabaseSource(url, table="t").describe().options["url"] == expected


@pytest.mark.parametrize(
    "url", ["postgresql://u:hunter2@h/d", "db2://u@h/d?PWD=hunter2", "postgresql://h/d?x=hunter2"]
)
def test_a_secret_of_the_url_is_found_in_any_words_of_a_driver(url: str) -> None:
    said = "login failed: user u with hunter2 at h"
    assert redact(said) == said, "it is not found by its looks"
    address = GivenUrl(url).resolved()
    assert address.scrubbed(said) == "login failed: user u with *** at h"
    cause = address.cause(OSError(said))
    assert (cause.type, SECRET in cause.message) == ("builtins.OSError", False)


@pytest.mark.parametrize(
    ("url", "said", "hint"),
    [
        ("postgresql:///host=h password=hunter2", "options where the name", "?NAME=VALUE"),
        ("postgresql:///postgres://u:hunter2@h/d", "options where the name", "?NAME=VALUE"),
        ("db2://u:p@h/D;PWD=hunter2", "options where the name", "?NAME=VALUE"),
        ("postgresql://u:p@hunter2@h/d", "an @ in its password", "%40"),
        ("sqlite://rel/x.db", "names a server", "three slashes"),
        ("sqlite://u:hunter2@/x.db", "names a server", "three slashes"),
        ("sqlite://:5/x.db", "names a server", "three slashes"),
    ],
)
def test_a_part_in_a_wrong_place_is_refused_and_not_repeated(
    url: str, said: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINE_TEST_PRICES", url)
    for attempt in (
        lambda: DatabaseSource(url, table="t"),
        DatabaseSource("env:SPINE_TEST_PRICES", table="t").validate,
    ):
        with pytest.raises(ValidationError, match=said) as caught:
            attempt()
        assert hint in str(caught.value.hint)
        assert SECRET not in str(caught.value.to_dict())


@pytest.mark.parametrize(
    "name",
    [
        *("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg"),
        *("db2", "db2+ibm_db", "ibm_db_sa"),
    ],
)
def test_every_name_of_a_driver_is_taken(name: str) -> None:
    DatabaseSource(f"{name}:///d", table="t")


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("postgresql+psycopg2", "postgresql+psycopg"),
        ("postgresql+asyncpg", "postgresql+psycopg"),
        ("postgres", "postgresql+psycopg"),
        ("db2+pyodbc", "db2+ibm_db"),
        ("ibm_db_sa+pyodbc", "db2+ibm_db"),
        ("sqlite+aiosqlite", "sqlite"),
        ("sqlite+pysqlcipher", "sqlite"),
    ],
)
def test_another_driver_is_refused_with_the_right_form(name: str, right: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(name)) as caught:
        DatabaseSource(f"{name}:///d", table="t")
    assert str(caught.value.hint).startswith(f"use {right}; write it as")
    assert "env:NAME" in str(caught.value.hint)


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://u:hunter2@h/d", "postgresql+asyncpg://h/d", ""]
)
def test_what_is_no_url_is_refused_at_once_and_not_repeated(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        DatabaseSource(url, table="t")
    assert "sqlite:///" in str(caught.value.hint)
    assert SECRET not in str(caught.value.to_dict())


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [
        ("postgresql+psycopg://h/d", "psycopg", "postgres"),
        ("postgresql://h/d", "psycopg", "postgres"),
        ("db2+ibm_db://u:p@h:50000/d", "ibm_db_sa", "db2"),
    ],
)
def test_a_driver_that_is_not_installed_is_named_with_its_extra(
    url: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    source = DatabaseSource(url, table="t")
    for attempt in (source.validate, source.fetch, lambda: list(source.stream())):
        with pytest.raises(ConfigurationError, match=module) as caught:
            attempt()
        assert f"pip install 'market-spine[{extra}]'" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("url", "loaded"),
    [
        ("sqlite:////dev/null", ["sqlite3"]),
        ("postgresql+psycopg://127.0.0.1:1/d", ["psycopg"]),
    ],
)
def test_a_database_loads_its_own_driver_only_and_only_when_read(
    url: str, loaded: list[str]
) -> None:
    script = (
        "import sys\n"
        "from market_spine.adapters.outbound.databases import DatabaseSource\n"
        "from market_spine.domain.errors import SpineError\n"
        "def drivers(): return {'sqlite3', 'psycopg', 'ibm_db', 'ibm_db_sa'} & set(sys.modules)\n"
        "source = DatabaseSource(sys.argv[1], table='t')\n"
        "source.describe()\n"
        "assert not drivers(), drivers()\n"
        "try: source.validate()\n"
        "except SpineError: print(*drivers())\n"
    )
    command = [sys.executable, "-c", script, url]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.split() == loaded


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": "5"},
        {"timeout": True},
        {"key": 5},
        {"key": [1]},
        {"key": b"id"},
        {"parameters": [1]},
        {"parameters": "id=1"},
        {"query": 5},
        {"query": b"SELECT 1"},
        {"query": None, "table": 5},
        {"url": 5},
    ],
    ids=str,
)
def test_an_option_of_a_wrong_type_is_named(wrong: dict[str, Any]) -> None:
    given: dict[str, Any] = {"url": "sqlite:///x.db", "query": "SELECT 1 AS one", **wrong}
    with pytest.raises(ValidationError) as refused:
        DatabaseSource(**given)
    assert list(wrong)[-1] in refused.value.message
    assert refused.value.hint
