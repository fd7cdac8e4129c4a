"""The refresh of weekly files through the command line: the same datasets as on SQLite."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from market_spine.domain.finra_otc.weeks import Tier
from market_spine.testing.finra_sample import ORIGIN, write_sample

SPINE = Path(sys.executable).with_name("spine")
DOMAIN = "finra.otc_transparency"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weeks")
    write_sample(
        folder / "files",
        weeks=[ORIGIN - timedelta(weeks=1), ORIGIN],
        tiers=[Tier.OTC, Tier.T2],
        rows={Tier.OTC: 40, Tier.T2: 50},
        next_session=lambda day: day + timedelta(days=(0, 0, 0, 0, 0, 2, 1)[day.weekday()]),
    )
    return folder


def spine(folder: Path, url: str, *words: str) -> Any:
    """The JSON that the command prints, run on the store of ``url``."""
    home = folder / url.partition(":")[0].partition("+")[0]
    done = subprocess.run(
        [SPINE, *words],
        env={**os.environ, "SPINE_DATABASE_URL": url, "SPINE_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def backfill(folder: Path, url: str) -> Any:
    files = f"files={folder / 'files'}"
    return spine(folder, url, "run", f"{DOMAIN}.backfill", "-p", files, "--json")


def test_the_same_files_give_the_same_datasets(
    folder: Path, db2_url: str, subtests: pytest.Subtests
) -> None:
    urls = (f"sqlite:///{folder / 'spine.db'}", db2_url)
    for url in urls:
        assert backfill(folder, url)["metrics"]["captures_added"] > 0
    names = [item["name"] for item in spine(folder, urls[0], "data", "list", "--json")]
    assert len(names) >= 8
    filled = 0
    for name in names:
        with subtests.test(name):
            shown = [spine(folder, url, "data", "show", name, "-f", "json") for url in urls]
            assert shown[0] == shown[1]
            filled += bool(shown[0])
    assert filled >= len(names) - 1, "two weeks fill everything but what asks for six"


def test_the_same_files_again_change_nothing(folder: Path, db2_url: str) -> None:
    first, again = backfill(folder, db2_url), backfill(folder, db2_url)
    assert first["metrics"]["captures_added"] > 0
    assert again["metrics"]["captures_added"] == 0
