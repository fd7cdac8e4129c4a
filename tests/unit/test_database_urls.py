"""Database URLs: what is taken, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from market_spine.adapters.outbound.sql.choosing import dialect_of, with_password
from market_spine.adapters.outbound.sql.database_faults import Fault, fault_error
from market_spine.bootstrap.settings import Settings, did_you_mean, unknown_variables
from market_spine.domain.errors import ConfigurationError
from market_spine.domain.redaction import redact


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://folder/spine.db",
        "sqlite://user@/spine.db",
        "sqlite:///:memory:",
        "sqlite://",
        "sqlite:///spine.db?mode=ro",
    ],
)
def test_an_sqlite_url_that_would_open_another_file_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="must name a file"):
        dialect_of(url)


@pytest.mark.parametrize(
    ("url", "use"),
    [
        ("postgresql+psycopg2://host/db", "postgresql+psycopg"),
        ("postgresql+asyncpg://host/db", "postgresql+psycopg"),
        ("postgresql+pyscopg://host/db", "postgresql+psycopg"),
        ("db2+pyodbc://host/db", "db2+ibm_db"),
        ("ibm_db_sa+pyodbc://host/db", "db2+ibm_db"),
        ("sqlite+aiosqlite:///spine.db", "sqlite"),
    ],
)
def test_another_driver_is_refused_not_replaced(url: str, use: str) -> None:
    with pytest.raises(ConfigurationError, match="is not supported") as refused:
        dialect_of(url)
    assert str(refused.value.hint) == f"use {use}"


@pytest.mark.parametrize("url", ["postgresql://host/db", "postgresql+psycopg://host/db"])
def test_both_names_of_the_postgresql_driver_are_taken(url: str) -> None:
    assert dialect_of(url).location == "postgresql://host/db"


def test_the_schema_stands_in_the_location() -> None:
    url = "postgresql+psycopg://host/db?options=-csearch_path%3Done"
    assert dialect_of(url).location == "postgresql://host/db (schema one)"


def test_a_url_with_an_unescaped_password_says_how_to_write_it() -> None:
    with pytest.raises(ConfigurationError) as refused:
        dialect_of("postgresql+psycopg://spine:p@s:w/o%rd;#?@host/db")
    assert "%40" in str(refused.value.hint)
    assert "SPINE_DATABASE_PASSWORD_FILE" in str(refused.value.hint)
    assert "w/o" not in str(refused.value)


def test_an_empty_password_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("\n")
    with pytest.raises(ConfigurationError, match="is empty"):
        with_password("postgresql+psycopg://spine@host/db", file)


def test_the_password_file_belongs_to_the_configured_store_alone(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("p@ss word\n")
    url = "postgresql+psycopg://spine@host/db"
    settings = Settings(database_url=url, database_password_file=file)  # type: ignore[arg-type]
    assert settings.url == settings.completed(url) != url
    other = "postgresql+psycopg://spine@host/other"
    assert settings.completed(other) == other


@pytest.mark.parametrize("fault", Fault)
def test_no_words_of_a_fault_are_taken_for_a_secret(fault: Fault) -> None:
    """The server's own words stand behind ours: "password: connection ..." would be masked."""
    said = "connection to server at 127.0.0.1 failed with SQL30082N"
    error = fault_error(fault, "postgresql://host/db", ValueError("x"), detail=said)
    assert said in error.message
    assert redact(str(error)) == str(error)


def test_a_misspelled_setting_is_noticed_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPINE_DATABSE_URL", "x")
    monkeypatch.setenv("SPINE_TEST_POSTGRES_URL", "x")
    assert unknown_variables() == ["SPINE_DATABSE_URL"]
    assert did_you_mean("SPINE_DATABSE_URL") == "; did you mean SPINE_DATABASE_URL?"
    assert did_you_mean("SPINE_XYZZY") == ""
