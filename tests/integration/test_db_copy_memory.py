from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
from copy_tools import opened

from market_spine.testing.store_suite_samples import VOLUME, with_capture

CHILD = Path(__file__).parents[1] / "copy_child.py"


def test_memory_does_not_grow_with_the_store(tmp_path: Path, postgres_url: str) -> None:
    few, many = (_store_of(tmp_path / f"{rows}.db", rows) for rows in (20_000, 400_000))
    small = _peak(few, f"sqlite:///{tmp_path / 'few.db'}")
    for source, target in ((many, postgres_url), (postgres_url, f"sqlite:///{tmp_path / 'm.db'}")):
        assert _peak(source, target) < small + 40_000, "40 MB for 380,000 rows more"


def _store_of(path: Path, rows: int) -> str:
    url = f"sqlite:///{path}"
    number = pl.int_range(rows)
    frame = pl.select(
        symbol=pl.concat_str(pl.lit("S"), number.cast(pl.String).str.zfill(9)),
        mpid=pl.lit("OTCN"),
        venue_name=pl.lit("OTC LINK ATS"),
        issue_name=pl.lit("some issue or other"),
        shares=number.cast(pl.Decimal(18, 6)),
        trades=number,
        last_update_date=pl.date(2025, 12, 15),
    )
    with opened(url) as store:
        (capture,) = with_capture(store, "one")
        with store.write() as unit:
            unit.rows.replace(VOLUME, capture.key, frame)
            unit.commit()
    return url


def _peak(source: str, target: str) -> int:
    """The most memory that a copy in batches of 10,000 rows needs, in kB."""
    done = subprocess.run(
        [sys.executable, CHILD, source, target, "10000", "0"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[1])
