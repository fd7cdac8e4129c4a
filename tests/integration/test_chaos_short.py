"""The short form of ``make chaos``, on every change."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from chaos import Plan, run_chaos


@pytest.fixture(autouse=True)
def settings_restored() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def test_three_hundred_runs_get_their_right_results_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tally = run_chaos(Plan(runs=300, restart_from=8, restart_to=15, patience=400))

    assert not tally.faults, "\n".join(tally.faults[:20])
    told = capsys.readouterr().out
    assert "wrong results" in told
    # Otherwise nothing was proved.
    assert tally.killed > 0, told
    assert tally.restarts > 0, told
    assert tally.dask_killed > 0, told
