"""kill -9 of a copy at many of its statements: the same command completes it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from copy_tools import assert_same, copy, filled, opened
from postgres_server import own_schema
from sqlalchemy import URL

from market_spine.domain.errors import ConfigurationError
from market_spine.ports.store_copy import Claim

CHILD = Path(__file__).parents[1] / "copy_child.py"
BATCH_ROWS = 20
POINTS = 12


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return filled(f"sqlite:///{tmp_path_factory.mktemp('source') / 'source.db'}")


def test_a_copy_into_sqlite_survives_kill_9(
    source: str, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    total = _finished(source, f"sqlite:///{tmp_path / 'whole.db'}")
    found = []
    for point in _spread(total):
        with subtests.test(f"killed before statement {point} of {total}"):
            target = f"sqlite:///{tmp_path / f'{point}.db'}"
            found.append(_killed_and_done_again(source, target, point))
    _assert_went_on(found)


def test_a_copy_into_postgresql_survives_kill_9(
    source: str, postgres_server: URL, subtests: pytest.Subtests
) -> None:
    with own_schema(postgres_server) as target:
        total = _finished(source, target)
    found = []
    for point in _spread(total):
        with (
            own_schema(postgres_server) as target,
            subtests.test(f"killed before statement {point} of {total}"),
        ):
            found.append(_killed_and_done_again(source, target, point))
    _assert_went_on(found)


def test_a_copy_that_is_killed_again_and_again_arrives(source: str, tmp_path: Path) -> None:
    target = f"sqlite:///{tmp_path / 'target.db'}"
    total = _finished(source, f"sqlite:///{tmp_path / 'whole.db'}")
    for point in range(total // 6, 2 * total, total // 6):
        if _child(source, target, point).returncode == 0:
            break
    else:
        pytest.fail("it never arrived")
    assert_same(target, source)


def _killed_and_done_again(source: str, target: str, point: int) -> tuple[Claim, int, int]:
    """What the target was, and how many of all rows were written the second time."""
    died = _child(source, target, point)
    assert died.returncode == -signal.SIGKILL, died.stderr
    try:
        with opened(target) as store:
            # Not claimed yet, or finished: a store like any other.
            assert store.status().current
    except ConfigurationError as refused:
        assert "unfinished copy" in refused.message  # noqa: PT017  # both ends are right ones
        assert "spine db copy" in str(refused.hint)  # noqa: PT017
    report = copy(source, target, batch_rows=BATCH_ROWS)
    assert_same(target, source)
    with opened(target) as store:
        assert store.status().current
    return report.found, report.written, report.rows


def _assert_went_on(found: list[tuple[Claim, int, int]]) -> None:
    """Some were killed in the middle, and did not begin from the start again."""
    middle = [written for claim, written, rows in found if claim is Claim.UNFINISHED and written]
    assert len(middle) > len(found) // 3
    rows = found[0][2]
    assert any(0 < written < rows for written in middle)
    assert middle == sorted(middle, reverse=True), "what was there already was written again"


def _finished(source: str, target: str) -> int:
    """How many statements and commits a copy takes."""
    done = _child(source, target, 0)
    assert done.returncode == 0, done.stderr
    assert_same(target, source)
    return int(done.stdout.split()[0])


def _spread(total: int) -> list[int]:
    """Points from the first statement to the last; most of them behind the making of the schema."""
    rows = 2 * total // 5
    behind = {rows + place * (total - rows) // (POINTS - 3) for place in range(POINTS - 2)}
    return sorted({1, rows // 2} | behind)


def _child(source: str, target: str, die_at: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, CHILD, source, target, str(BATCH_ROWS), str(die_at)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
