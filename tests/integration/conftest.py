"""What the tests of the command line share."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_spine import Spine, weekly_file

_OTC = "OTC|{0}|{1}|{2} ATS|{2}|{3}|{4}|2025-12-15"
_T1 = "NMS Tier 1|{0}|{1}|{2} ATS|{2}|{3}|{4}|2025-12-01"


@pytest.fixture
def spine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Spine]:
    """The command line in an empty working folder of its own, with nothing configured."""
    yield from _spine(monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder where two tiers of a week are loaded, one of them restated since."""
    folder = tmp_path_factory.mktemp("filled")
    with pytest.MonkeyPatch.context() as patch:
        for spine in _spine(patch, folder):
            old = [
                _OTC.format("TRUE", 'Quotes "R" Us, Inc.', "OTCN", "100", 2),
                _OTC.format("TRUE", 'Quotes "R" Us, Inc.', "OTCX", "300", 4),
                _OTC.format("1E5", "O'Neil & Söhne | AG".replace(" | ", " / "), "OTCN", "0.25", 1),
                _OTC.format("NULL", "null", "OTCN", "12345678901.123456", 3),
                _OTC.format("007", "=1+1", "ARCA", "7", 7),
                _OTC.format("", "", "ARCA", "1", 1),
            ]
            first = weekly_file(folder, "finra_otc_weekly_otc_20251215.csv", *old)
            spine.run("refresh_week", file=first)
            t1 = [_T1.format("AAPL", "Apple Inc.", "UBSA", "600", 6)]
            spine.run("refresh_week", file=weekly_file(folder, "finra_t1_20251201.csv", *t1))
            new = [old[0].replace("|100|", "|101|"), *old[1:5]]
            again = weekly_file(folder, "restated_otc_20251215.csv", *new)
            spine.run("refresh_week", file=again)
    return folder


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch, filled: Path) -> Iterator[Spine]:
    """The command line in the filled folder; what only looks may share it."""
    yield from _spine(monkeypatch, filled)


def _spine(patch: pytest.MonkeyPatch, folder: Path) -> Iterator[Spine]:
    for name in [name for name in os.environ if name.startswith("SPINE_")]:
        patch.delenv(name)
    patch.chdir(folder)
    root = logging.getLogger("market_spine")
    before = root.handlers, root.propagate, root.level
    try:
        yield Spine()
    finally:
        root.handlers, root.propagate = before[0], before[1]
        root.setLevel(before[2])
