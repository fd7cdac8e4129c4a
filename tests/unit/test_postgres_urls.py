"""What becomes of a PostgreSQL URL: shown without secrets, completed without taking a word back."""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import ModuleSpec

import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url

from market_spine.adapters.outbound.sql import choosing
from market_spine.adapters.outbound.sql.choosing import dialect_of
from market_spine.adapters.outbound.sql.connection_limits import ConnectionLimits
from market_spine.adapters.outbound.sql.postgres import PostgresDialect
from market_spine.domain.errors import ConfigurationError


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("postgresql+psycopg://me:secret@db.bank/prices", "postgresql://db.bank/prices"),
        ("postgresql://me:secret@db.bank:5433/prices", "postgresql://db.bank:5433/prices"),
        ("postgresql://me:s%40cret@db.bank:5433/", "postgresql://db.bank:5433/me"),
        ("postgresql:///prices?host=/run/pg&port=5433", "postgresql:///run/pg:5433/prices"),
        ("postgresql:///prices?host=a:1&host=b:2", "postgresql://a:1,b:2/prices"),
        ("postgresql:///prices", "postgresql://localhost/prices"),
        ("postgresql://h/prices?password=secret&user=me", "postgresql://h/prices"),
    ],
)
def test_a_location_tells_the_place_and_no_secret(url: str, location: str) -> None:
    assert dialect_of(url).location == location


def _options(url: str, limits: ConnectionLimits | None = None) -> dict[str, object]:
    """What the driver is given."""
    dialect = PostgresDialect(make_url(url), limits or ConnectionLimits())
    return dict(dialect._url.query)


def test_limits_become_options_of_each_connection() -> None:
    limits = ConnectionLimits(busy_timeout=1.5, connect_timeout=7.4, statement_timeout=0.25)

    options = _options("postgresql://h/d", limits)

    assert "-c lock_timeout=1500" in str(options["options"])
    assert "-c statement_timeout=250" in str(options["options"])
    assert options["connect_timeout"] == "7"


def test_a_short_connect_timeout_is_what_the_driver_takes_at_least() -> None:
    assert (
        _options("postgresql://h/d", ConnectionLimits(connect_timeout=0.1))["connect_timeout"]
        == "2"
    )


def test_what_stands_in_the_url_wins() -> None:
    options = _options(
        "postgresql://h/d?connect_timeout=99&application_name=mine&sslmode=verify-full"
        "&options=-cstatement_timeout%3D5%20-csearch_path%3Dspine"
    )

    assert options["connect_timeout"] == "99"
    assert options["application_name"] == "mine"
    assert options["sslmode"] == "verify-full"
    # The server takes the last one of a name.
    assert str(options["options"]).endswith("-cstatement_timeout=5 -csearch_path=spine")


def test_every_option_is_one_that_libpq_knows() -> None:
    query = _options("postgresql://h/d")
    known = conninfo_to_dict("", **query)
    assert known.keys() == query.keys()


def test_a_missing_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_found(name: str) -> ModuleSpec | None:
        return None

    monkeypatch.setattr(choosing, "find_spec", not_found)
    with pytest.raises(ConfigurationError, match="psycopg") as caught:
        dialect_of("postgresql://me:secret@h/d")
    assert "market-spine[postgres]" in str(caught.value.hint)
    assert "secret" not in str(caught.value.to_dict())


def test_a_store_on_sqlite_loads_no_driver_of_a_server() -> None:
    script = (
        "import sys; from market_spine.adapters.outbound.sql.store import SqlStore;"
        " SqlStore('sqlite:////nowhere/spine.db');"
        " print([name for name in ('psycopg', 'ibm_db', 'alembic') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
