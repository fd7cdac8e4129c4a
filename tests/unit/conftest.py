"""What the unit tests of the FINRA use cases share."""

from __future__ import annotations

from pathlib import Path

import pytest
from finra_refresh_house import FinraHouse


@pytest.fixture
def house(tmp_path: Path) -> FinraHouse:
    """The use cases over an empty store; files are written to the test's own folder."""
    return FinraHouse(tmp_path)
