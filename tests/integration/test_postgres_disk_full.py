"""A full disk of the server is a typed error; nothing stays, and space is all it takes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import psycopg
import pytest
from postgres_server import OwnServer, own_schema, started_server

from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.domain.errors import Category, LoadError
from market_spine.testing.store_suite_samples import VOLUME, one_row, rows_of, with_capture


@pytest.fixture(scope="module")
def own() -> Iterator[OwnServer]:
    with started_server() as server:
        yield server


@pytest.fixture
def small_disk(own: OwnServer, tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB behind the tablespace ``small``."""
    program = shutil.which("mount")
    if program is None:
        pytest.skip("a small disk is needed, and there is no mount here")
    data = Path(str(own.url.query["host"]))
    mount = data.parent / "small"
    mount.mkdir()
    options = f"size=4m,mode=0700,uid={data.stat().st_uid},gid={data.stat().st_gid}"
    done = subprocess.run(
        [program, "-t", "tmpfs", "-o", options, "tmpfs", str(mount)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted: {done.stderr.strip()}")
    plain = own.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"CREATE TABLESPACE small LOCATION '{mount}'")
    yield mount
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute("DROP TABLESPACE small")
    subprocess.run(["umount", str(mount)], check=True)


def test_a_full_disk_is_a_typed_error_and_space_is_all_it_takes(
    own: OwnServer, small_disk: Path
) -> None:
    many = pl.concat([one_row()] * 60_000).with_columns(
        pl.format("S{}", pl.int_range(60_000)).alias("symbol")
    )
    with own_schema(own.url) as url:
        store = SqlStore(f"{url} -cdefault_tablespace=small")
        store.ensure_ready()
        (one,) = with_capture(store, "one")
        with store.write() as unit:
            unit.rows.replace(VOLUME, one.key, many.head(100))
            unit.commit()

        with pytest.raises(LoadError) as caught, store.write() as unit:
            unit.rows.replace(VOLUME, one.key, many)

        error = caught.value
        assert error.context.metadata["fault"] == "no_space"
        assert error.category is Category.RESOURCE
        assert not error.retryable
        assert "free space" in str(error.hint)
        with store.read() as unit:
            assert rows_of(unit, one).height == 100
        subprocess.run(["mount", "-o", "remount,size=256m", str(small_disk)], check=True)
        with store.write() as unit:
            unit.rows.replace(VOLUME, one.key, many)
            unit.commit()
        with store.read() as unit:
            assert rows_of(unit, one).height == many.height
        store.close()
