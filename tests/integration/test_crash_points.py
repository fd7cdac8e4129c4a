"""A refresh is all or nothing: processes are killed at every point where they change something.

The points are counted, not listed: a first, undisturbed run tells which calls there are. Each is
then met by a process of its own that dies there with SIGKILL, and by an exception. Whatever
happened, the one judge looks at what was left, and the same command is given again.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from crash_child import BACKFILL, REFRESH, Job, changes, killed, opened, run
from crash_scene import AT_ONCE, Scene, done_again, kill_at, next_weekday, undisturbed
from refresh_judge import datasets_of, judge, runs_of

from market_spine.adapters.outbound.system.runtime import LocalProcesses
from market_spine.domain.errors import SourceError, SpineError
from market_spine.domain.finra_otc.weeks import Tier
from market_spine.testing.faults import Faults, raising
from market_spine.testing.finra_sample import ORIGIN, restate, write_sample

Subtests = pytest.Subtests


@dataclass(frozen=True, slots=True)
class Stage:
    """The files of six weeks, a restated version of the last, and a home with the first five."""

    folder: Path
    weeks: tuple[Path, ...]
    restated: Path
    home: Path

    def scene(self, name: str, job: Job, start: Path | None = None) -> Scene:
        """The job on a copy of ``start`` (default: the five weeks)."""
        return undisturbed(job, start or self.home, self.folder / name)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("crash")
    weeks = [ORIGIN + timedelta(weeks=back) for back in range(-5, 1)]
    files = write_sample(
        folder / "weeks",
        weeks=weeks,
        tiers=[Tier.OTC],
        rows={Tier.OTC: 30},
        next_session=next_weekday,
    )
    home = folder / "home"
    with opened(home) as container:
        for file in files[:-1]:
            outcome = container.run_pipeline()(REFRESH, {"file": str(file)})
            assert outcome.result.ok, outcome.result.error
    judge(home)
    return Stage(folder, tuple(files), restate(files[-1], folder / "restated"), home)


@pytest.fixture(scope="module")
def first_load(stage: Stage) -> Scene:
    return stage.scene("first", Job("", {"file": str(stage.weeks[-1])}))


@pytest.fixture(scope="module")
def restatement(stage: Stage, first_load: Scene) -> Scene:
    assert first_load.captures == len(stage.weeks)
    scene = stage.scene("second", Job("", {"file": str(stage.restated)}), stage.folder / "first")
    assert scene.captures == first_load.captures + 1
    return scene


@pytest.fixture(scope="module")
def backfill(stage: Stage) -> Scene:
    """Three weeks by one command, on a home that has nothing."""
    folder = stage.folder / "three"
    folder.mkdir()
    for file in stage.weeks[-3:]:
        shutil.copy(file, folder)
    empty = stage.folder / "empty"
    with opened(empty) as container:
        assert runs_of(container) == []
        container.calendar().sessions(ORIGIN, ORIGIN)
    job = Job("", {"files": str(folder)}, BACKFILL)
    home = shutil.copytree(empty, stage.folder / "filled")
    answer = run(replace(job, home=str(home)))
    assert answer.state == "SUCCEEDED", answer.error
    judge(home)
    return Scene(empty, job, datasets_of(home), answer, captures=3, since=None)


def test_killed_at_any_point_a_first_load_leaves_all_or_nothing(
    first_load: Scene, tmp_path: Path, subtests: Subtests
) -> None:
    points = first_load.points()
    assert {"rows.replace", "rejects.replace", "quality.add", "runs.finish"} <= {
        point.call.removeprefix("store.write.") for point in points
    }
    kill_at(points, first_load, tmp_path, subtests)


def test_killed_at_any_point_a_restatement_leaves_all_or_nothing(
    restatement: Scene, tmp_path: Path, subtests: Subtests
) -> None:
    kill_at(restatement.points(), restatement, tmp_path, subtests)


def test_killed_around_any_commit_a_backfill_keeps_its_finished_parts(
    backfill: Scene, tmp_path: Path, subtests: Subtests
) -> None:
    points = [point for point in backfill.points() if point.call == "store.write.commit"]
    assert len(points) == 2 * (2 + 3 * 2), "begin and end of the backfill and of each part"
    seen = kill_at(points, backfill, tmp_path, subtests)
    assert seen == {0, 1, 2, 3}, f"the backfills died with {seen} parts done"


def test_an_exception_at_any_call_leaves_all_or_nothing(
    first_load: Scene, tmp_path: Path, subtests: Subtests
) -> None:
    for point in first_load.points():
        home = shutil.copytree(first_load.start, tmp_path / f"{point.number}-{point.moment}")
        with subtests.test(f"OSError {point}"):
            gone = raising(OSError("the disk is gone"))
            faults = Faults(point.number, gone, moment=point.moment, counts=changes)
            _raise_at(faults, home, first_load)
        shutil.rmtree(home)


def _raise_at(faults: Faults, home: Path, scene: Scene) -> None:
    with opened(home, faults) as container:
        try:
            outcome = container.run_pipeline()(REFRESH, scene.job.parameters)
        except SpineError:
            recorded = None
        else:
            recorded = outcome.run.id
            assert runs_of(container)[0].state is outcome.run.state, "the answer is not the record"
        assert faults.struck
        live = [item for item in runs_of(container) if not item.state.final]
        assert not live, "the store works, but a run was left live"
        assert recorded is None or runs_of(container)[0].id == recorded
    judge(home)
    done_again(home, scene)


def test_killed_during_recovery_the_next_run_recovers_from_both(
    first_load: Scene, tmp_path: Path, subtests: Subtests
) -> None:
    interrupted = shutil.copytree(first_load.start, tmp_path / "interrupted")
    last = len(first_load.answer.calls)
    assert killed(replace(first_load.job, home=str(interrupted), die_at=last))
    counted = run(
        replace(first_load.job, home=str(shutil.copytree(interrupted, tmp_path / "counted")))
    )
    commits = [at for at, call in enumerate(counted.calls) if call == "store.write.commit"]
    recovered, begun = commits[0], commits[1] + 1
    assert "store.write.runs.finish" in counted.calls[:recovered], "what was left is closed first"
    assert "store.write.runs.add" in counted.calls[recovered:begun]
    scene = replace(
        first_load, start=interrupted, answer=replace(counted, calls=counted.calls[:begun])
    )

    kill_at(scene.points(), scene, tmp_path, subtests)


def test_killed_while_the_schema_is_made_the_next_run_makes_it(
    first_load: Scene, stage: Stage, tmp_path: Path, subtests: Subtests
) -> None:
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    counted = run(replace(first_load.job, home=str(shutil.copytree(fresh, tmp_path / "counted"))))
    expected = datasets_of(tmp_path / "counted")
    statements = counted.statements
    made = next(at for at, text in enumerate(statements) if text.startswith("INSERT INTO runs"))
    assert made > 20, statements[:made]
    scene = replace(first_load, start=fresh, after=expected, captures=1)

    def die(number: int) -> bool:
        home = shutil.copytree(fresh, tmp_path / str(number))
        return killed(replace(scene.job, home=str(home), die_at_statement=number))

    numbers = [*range(1, made, 6), made]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number, died in zip(numbers, pool.map(die, numbers), strict=True):
            with subtests.test(f"SIGKILL before statement {number}: {statements[number - 1]}"):
                assert died
                done_again(tmp_path / str(number), scene)


SYSTEM_CALLS = "pwrite64,ftruncate,fsync,fdatasync,rename,unlink,mkdir"
"""By which SQLite and the archive change files."""


def test_killed_inside_a_commit_a_first_load_leaves_all_or_nothing(
    first_load: Scene, tmp_path: Path, subtests: Subtests
) -> None:
    """Between two writes of SQLite to its files, where no call of ours begins or ends."""
    log = tmp_path / "calls"
    tracing = [*_strace(tmp_path), "-o", str(log)]
    home = shutil.copytree(first_load.start, tmp_path / "counted")
    assert run(replace(first_load.job, home=str(home)), tracing).state == "SUCCEEDED"
    calls = _numbered(log.read_text().splitlines())
    assert {"pwrite64", "fdatasync", "rename"} <= {name for name, _ in calls}
    rare = [call for call in calls if call[0] != "pwrite64"]
    points = [*rare, *[call for call in calls if call[0] == "pwrite64"][::12]]

    def die(call: tuple[str, int]) -> bool:
        name, number = call
        home = shutil.copytree(first_load.start, tmp_path / f"{name}-{number}")
        at = ["-e", f"inject={name}:signal=KILL:when={number}", "-o", os.devnull]
        return killed(replace(first_load.job, home=str(home)), [*_strace(tmp_path), *at])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for (name, number), died in zip(points, pool.map(die, points), strict=True):
            with subtests.test(f"SIGKILL before {name} number {number}"):
                assert died
                judge(tmp_path / f"{name}-{number}")
                done_again(tmp_path / f"{name}-{number}", first_load)


def _numbered(lines: list[str]) -> list[tuple[str, int]]:
    """Names of system calls, each with its number among those of the same name and thread."""
    seen: Counter[tuple[str, str]] = Counter()
    found: dict[tuple[str, int], None] = {}
    for line in lines:
        thread, _, call = line.partition(" ")
        name, bracket, _ = call.strip().partition("(")
        if bracket:
            seen[thread, name] += 1
            found[name, seen[thread, name]] = None
    return list(found)


def _strace(folder: Path) -> list[str]:
    """The command that watches system calls; skips where there is none, or it may not."""
    program = shutil.which("strace")
    if program is None:
        pytest.skip("strace, which can kill at a system call, is not installed")
    command = [program, "-f", "-qq", "-e", f"trace={SYSTEM_CALLS}"]
    tried = subprocess.run(
        [*command, "-o", str(folder / "tried"), "true"], capture_output=True, check=False
    )
    if tried.returncode:
        pytest.skip(f"strace may not watch processes here: {tried.stderr.decode().strip()}")
    return command


def test_a_killed_process_that_nobody_has_reaped_is_gone() -> None:
    script = "from market_spine.adapters.outbound.system.runtime import LocalProcesses as P;"
    script += "import sys; print(P().identity(), flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        identity = process.stdout.readline().strip()
        assert LocalProcesses().alive(identity)
        process.kill()
        # Wait until it has ended, and leave it a zombie: its exit code is not taken.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not LocalProcesses().alive(identity), "the run of a zombie would never be closed"


@pytest.mark.parametrize(
    ("damage", "objection"),
    [
        ("DELETE FROM finra_otc_venue_volume WHERE symbol > 'M'", "lacks accepted rows"),
        ("DELETE FROM finra_otc_symbol_measures WHERE symbol > 'M'", "lacks measures"),
        ("DELETE FROM finra_otc_venue_share", "nothing in finra_otc_venue_share"),
        ("DELETE FROM finra_otc_names", "nothing in finra_otc_names"),
        ("DELETE FROM rejects", "lacks rejects"),
        ("DELETE FROM quality_results", "nothing in quality_results"),
        ("DELETE FROM lineage", "nothing in lineage"),
        ("DELETE FROM manifest WHERE stage = 'MEASURED'", "CAPTURED', 'NORMALIZED'] only"),
        ("DELETE FROM captures", "dangling references"),
        ("UPDATE captures SET rows_read = rows_read + 1", "not"),
        ("UPDATE runs SET run_state = 'FAILED'", "rows of a run that did not succeed"),
        ("UPDATE captures SET digest = 'f' || substr(digest, 2)", "archive has no content"),
    ],
)
def test_the_judge_objects_to_whatever_is_missing(
    stage: Stage, tmp_path: Path, damage: str, objection: str
) -> None:
    home = shutil.copytree(stage.home, tmp_path / "home")
    judge(home)
    with closing(sqlite3.connect(home / "spine.db")) as database, database:
        database.execute(damage)

    with pytest.raises((AssertionError, SourceError), match=re.escape(objection)):
        judge(home)
