"""Several processes refresh one store at once, and readers read it meanwhile."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from crash_child import BACKFILL, REFRESH, Answer, Child, Job, opened, url_of
from homes import removed, with_database
from refresh_judge import Frames, all_datasets, assert_same_datasets, datasets_of, judge, runs_of
from sqlalchemy import URL

from market_spine.bootstrap.container import Container
from market_spine.domain.captures import Capture, CaptureFilter
from market_spine.domain.datasets import DatasetQuery
from market_spine.domain.finra_otc.weeks import Tier
from market_spine.domain.runs import RunState
from market_spine.testing.finra_sample import ORIGIN, restate, write_sample

SNAPSHOT = "finra.otc_transparency.research_snapshot"
VOLUME = "finra.otc_transparency.venue_volume"
READS = 5
"""How many answers a reader has to get before the writer may end, at least."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four weeks; each file is of a size that takes a moment to load."""
    return write_sample(
        tmp_path_factory.mktemp("weeks"),
        weeks=[ORIGIN + timedelta(weeks=number) for number in range(4)],
        tiers=[Tier.OTC],
        rows={Tier.OTC: 400},
        next_session=lambda day: day,
    )


@pytest.fixture(scope="module")
def restated(files: Sequence[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return restate(files[0], tmp_path_factory.mktemp("restated"), changed=20)


@pytest.fixture(params=["sqlite", "postgresql"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A home that is not there yet: those who start together also make its schema together."""
    home = tmp_path / "home"
    if request.param == "sqlite":
        yield home
        return
    server: URL = request.getfixturevalue("postgres_server")
    yield with_database(home, server)
    removed(home)


def at_once(home: Path, given: Sequence[Path], pipeline: str = REFRESH) -> list[Answer]:
    """Refresh from each file in a process of its own, all let go at the same moment."""
    name = "files" if pipeline == BACKFILL else "file"
    jobs = [Job(str(home), {name: str(path)}, pipeline, wait=True) for path in given]
    with ExitStack() as stack:
        children = [stack.enter_context(Child(job)) for job in jobs]
        for child in children:
            child.ready()
        for child in children:
            child.go()
        with ThreadPoolExecutor(len(children)) as pool:
            answers = list(pool.map(Child.answer, children))
    for path, answer in zip(given, answers, strict=True):
        assert answer.state == "SUCCEEDED", f"{path.name}: {answer.error}"
    return answers


def captures_of(container: Container) -> list[Capture]:
    return list(container.read_evidence().captures(CaptureFilter()))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def one_after_the_other(home: Path, given: Sequence[Path]) -> Frames:
    with opened(home) as container:
        for path in given:
            outcome = container.run_pipeline()(REFRESH, {"file": str(path)})
            assert outcome.result.ok, outcome.result.error
        return all_datasets(container)


@pytest.mark.parametrize("number", [2, 4])
@pytest.mark.parametrize("attempt", [1, 2])
def test_different_weeks_at_once_on_a_store_that_does_not_exist_yet(
    number: int, attempt: int, files: list[Path], home: Path, tmp_path: Path
) -> None:
    at_once(home, files[:number])

    judge(home)
    with opened(home) as container:
        assert len(captures_of(container)) == number
        assert [item.state for item in runs_of(container)] == [RunState.SUCCEEDED] * number
        found = all_datasets(container)
    alone = tmp_path / "alone"
    assert_same_datasets(found, one_after_the_other(alone, files[:number]))


@pytest.mark.parametrize("number", [2, 4])
def test_the_same_file_at_once_is_captured_once(number: int, files: list[Path], home: Path) -> None:
    answers = at_once(home, [files[0]] * number)

    judge(home)
    with opened(home) as container:
        [capture] = captures_of(container)
    assert {answer.metrics["capture"] for answer in answers} == {capture.id}
    assert sum(answer.metrics["captures_added"] for answer in answers) == 1
    assert sum(answer.metrics["already_captured"] for answer in answers) == number - 1


def test_two_contents_of_one_partition_at_once_are_two_captures_in_sequence(
    files: list[Path], restated: Path, home: Path, tmp_path: Path
) -> None:
    at_once(home, [files[0], restated])

    judge(home)
    with opened(home) as container:
        second, first = captures_of(container)
        found = all_datasets(container)
    assert (first.sequence, second.sequence) == (1, 2)
    assert second.supersedes == first.id
    assert second.captured_at >= first.captured_at
    assert {first.digest, second.digest} == {digest(files[0]), digest(restated)}
    oldest, newest = sorted([files[0], restated], key=lambda file: digest(file) == second.digest)
    alone = one_after_the_other(tmp_path / "alone", [oldest, newest])
    assert_same_datasets(found, alone)


def test_two_backfills_of_one_folder_at_once_capture_each_file_once(
    files: list[Path], home: Path
) -> None:
    answers = at_once(home, [files[0].parent] * 2, BACKFILL)

    judge(home)
    with opened(home) as container:
        assert len(captures_of(container)) == len(files)
    assert [answer.metrics["files_succeeded"] for answer in answers] == [len(files)] * 2
    assert sum(answer.metrics["captures_added"] for answer in answers) == len(files)


@pytest.fixture
def two_versions(home: Path, files: list[Path], restated: Path) -> Iterator[tuple[Container, Path]]:
    """A reader of a store with one week, and the folder whose files turn it over and over."""
    folder = home.parent / "turns"
    for turn in range(4):
        version = restated if turn % 2 == 0 else files[0]
        target = folder / f"{turn}" / files[0].name
        target.parent.mkdir(parents=True)
        shutil.copy(version, target)
    one_after_the_other(home, [files[0]])
    with opened(home) as container:
        yield container, folder


def test_readers_see_complete_answers_while_a_writer_works(
    two_versions: tuple[Container, Path],
    files: list[Path],
    restated: Path,
    home: Path,
    tmp_path: Path,
) -> None:
    reader, folder = two_versions
    both = {
        path: one_after_the_other(tmp_path / str(number), [path])
        for number, path in enumerate((files[0], restated))
    }
    seen: dict[str, list[Path]] = {SNAPSHOT: [], VOLUME: []}
    turns = sorted(folder.iterdir())
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(_write_over_and_over, home, [next(turn.iterdir()) for turn in turns])
        while not writing.done() or min(map(len, seen.values())) < READS:
            for name, versions in seen.items():
                answer = reader.read_datasets().frame(name, DatasetQuery())
                versions.append(_version(answer, name, both))
        writing.result()

    judge(home)
    for name, versions in seen.items():
        turned = sum(a != b for a, b in pairwise(versions))
        assert turned >= 1, f"{name} was read {len(versions)} times and never changed"
        assert versions[-1] == files[0]


def _write_over_and_over(home: Path, versions: Sequence[Path]) -> None:
    """Each version in turn, by a process of its own."""
    for path in versions:
        with Child(Job(str(home), {"file": str(path)}, force=True)) as child:
            answer = child.answer()
        assert answer.state == "SUCCEEDED", answer.error


def _version(answer: pl.DataFrame, name: str, both: dict[Path, Frames]) -> Path:
    found = [path for path, frames in both.items() if frames[name].equals(answer)]
    assert len(found) == 1, f"{name} with {answer.height} rows is neither version"
    return found[0]


def test_an_answer_that_is_being_read_stays_what_it_was(
    files: list[Path], restated: Path, home: Path
) -> None:
    before = one_after_the_other(home, files[:3])[VOLUME]
    with opened(home) as container:
        answer = container.read_datasets().stream(VOLUME, DatasetQuery())
        begun = next(answer)
        _write_over_and_over(home, [restated, files[3]])
        whole = pl.concat([begun, *answer])

    assert whole.equals(before), "the reader saw a load that was committed after it had begun"
    assert not datasets_of(home)[VOLUME].equals(before)


def test_the_command_line_shows_complete_answers_while_a_writer_works(
    two_versions: tuple[Container, Path], files: list[Path], restated: Path, home: Path
) -> None:
    _, folder = two_versions
    expected = set()
    versions = [next(turn.iterdir()) for turn in sorted(folder.iterdir())]
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(_write_over_and_over, home, versions)
        answers = [_shown(home) for _ in range(READS)]
        writing.result()
    for path in (restated, files[0]):
        _write_over_and_over(home, [path])
        expected.add(_shown(home))

    assert len(expected) == 2
    assert set(answers) <= expected, "spine data show saw something between the versions"


def _shown(home: Path) -> str:
    spine = "from market_spine.bootstrap.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", spine, "data", "show", VOLUME, "--format", "csv"],
        env={**os.environ, "SPINE_HOME": str(home), "SPINE_DATABASE_URL": url_of(home)},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
