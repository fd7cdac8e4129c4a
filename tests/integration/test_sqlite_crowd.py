"""Sixteen processes that submit and execute runs on one SQLite file: nobody is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from market_spine.adapters.outbound.sql.store import SqlStore
from market_spine.testing.run_judge import judge_runs

HERE = Path(__file__).parent
PROCESSES = 16
SECONDS = float(os.environ.get("SPINE_TEST_CROWD_SECONDS", "120"))


def test_the_lock_of_the_file_reaches_no_caller(tmp_path: Path) -> None:
    with closing(SqlStore(f"sqlite:///{tmp_path / 'spine.db'}")) as store:
        store.ensure_ready()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SPINE_")},
        "PYTHONPATH": str(HERE),
    }
    crowd = [
        subprocess.Popen(
            [sys.executable, str(HERE / "crowd_child.py"), str(tmp_path), str(SECONDS)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    said = [child.communicate(timeout=SECONDS + 120) for child in crowd]

    assert [child.returncode for child in crowd] == [0] * PROCESSES, [err for _, err in said]
    assert sum(int(out) for out, _ in said) > PROCESSES * 3
    with closing(SqlStore(f"sqlite:///{tmp_path / 'spine.db'}")) as store:
        judge_runs(store, all_final=False)
