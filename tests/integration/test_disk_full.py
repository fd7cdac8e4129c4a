"""A full disk stops a refresh with a typed error; nothing is lost, and space is all it takes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from crash_child import REFRESH, opened
from refresh_judge import Frames, assert_same_datasets, datasets_of, judge, runs_of

from market_spine.domain.finra_otc.weeks import Tier
from market_spine.domain.runs import RunState
from market_spine.testing.finra_sample import ORIGIN, write_sample

KIB = 1024
SPINE = "from market_spine.bootstrap.main import main; main()"


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A home on a disk of its own, which can be filled up to some bytes and emptied again."""

    home: Path
    ballast: Path

    def fill(self, left: int) -> None:
        """Leave about ``left`` bytes, in whole KiB."""
        with self.ballast.open("wb", buffering=0) as file:
            while (free := self._free() - left) >= KIB:
                file.write(bytes(min(free, 64 * KIB)))

    def empty(self) -> None:
        self.ballast.unlink()

    def _free(self) -> int:
        found = os.statvfs(self.home.parent)
        return found.f_bavail * found.f_frsize


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_sample(
        tmp_path_factory.mktemp("weeks"),
        weeks=[ORIGIN, ORIGIN + timedelta(weeks=1)],
        tiers=[Tier.OTC],
        rows={Tier.OTC: 2000},
        next_session=lambda day: day,
    )


@pytest.fixture(scope="module")
def undisturbed(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Frames:
    home = tmp_path_factory.mktemp("large") / "home"
    for file in files:
        assert refresh(home, file)[0] == 0
    return datasets_of(home)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    mount = tmp_path / "disk"
    mount.mkdir()
    program = shutil.which("mount")
    if program is None:
        pytest.skip("a small disk is needed, and there is no mount here")
    command = [program, "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(mount)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted: {done.stderr.strip()}")
    try:
        yield SmallDisk(mount / "home", mount / "ballast")
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def refresh(home: Path, file: Path) -> tuple[int, dict[str, Any]]:
    """The exit code of the command line and the document it printed."""
    done = subprocess.run(
        [sys.executable, "-c", SPINE, "run", REFRESH, "-p", f"file={file}", "--json"],
        env={**os.environ, "SPINE_HOME": str(home)},
        cwd=home.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("left", [0, 64 * KIB, 384 * KIB])
def test_a_full_disk_is_a_typed_error_and_space_is_all_it_takes(
    left: int, disk: SmallDisk, files: list[Path], undisturbed: Frames
) -> None:
    code, document = refresh(disk.home, files[0])
    assert code == 0, document
    before = datasets_of(disk.home)
    disk.fill(left)

    code, document = refresh(disk.home, files[1])

    assert code == 1, document
    assert document["error"]["category"] == "RESOURCE", document["error"]
    assert document["error"]["hint"], "what to do next is not said"
    disk.empty()
    judge(disk.home)
    assert_same_datasets(datasets_of(disk.home), before)
    code, document = refresh(disk.home, files[1])
    assert code == 0, document
    judge(disk.home)
    with opened(disk.home) as container:
        states = [run.state for run in runs_of(container)]
    assert states[-1] == states[0] == RunState.SUCCEEDED
    assert set(states[1:-1]) <= {RunState.FAILED}, "the run that failed is not closed"
    assert_same_datasets(datasets_of(disk.home), undisturbed)


def test_a_home_that_cannot_be_made_on_a_full_disk_is_the_same_error(
    disk: SmallDisk, files: list[Path]
) -> None:
    disk.fill(0)

    code, document = refresh(disk.home, files[0])

    assert code == 1, document
    assert document["error"]["category"] == "RESOURCE", document["error"]
    disk.empty()
    code, document = refresh(disk.home, files[0])
    assert code == 0, document
    judge(disk.home)
