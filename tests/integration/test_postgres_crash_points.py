"""Killed at every point, with the data on PostgreSQL: a refresh is all or nothing there too."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from crash_child import REFRESH, Job, killed, opened, run
from crash_scene import AT_ONCE, Scene, done_again, kill_at, next_weekday, undisturbed
from homes import removed, with_database
from refresh_judge import all_datasets, judge
from sqlalchemy import URL

from market_spine.domain.finra_otc.weeks import Tier
from market_spine.testing.finra_sample import ORIGIN, write_sample


@dataclass(frozen=True, slots=True)
class Stage:
    """A home with the first five of six weeks, and the file of the last week."""

    folder: Path
    home: Path
    last: Path


@pytest.fixture(scope="module")
def stage(postgres_server: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("crash")
    *files, last = write_sample(
        folder / "weeks",
        weeks=[ORIGIN + timedelta(weeks=back) for back in range(-5, 1)],
        tiers=[Tier.OTC],
        rows={Tier.OTC: 30},
        next_session=next_weekday,
    )
    home = with_database(folder / "home", postgres_server)
    with opened(home) as container:
        for file in files:
            outcome = container.run_pipeline()(REFRESH, {"file": str(file)})
            assert outcome.result.ok, outcome.result.error
    yield Stage(folder, home, last)
    removed(home)


@pytest.fixture(scope="module")
def first_load(stage: Stage) -> Iterator[Scene]:
    done = stage.folder / "done"
    yield undisturbed(Job("", {"file": str(stage.last)}), stage.home, done)
    removed(done)


def test_killed_at_any_point_a_first_load_leaves_all_or_nothing(
    first_load: Scene, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    points = first_load.points()
    around_commits = [point for point in points if point.call.endswith("commit")]
    # Within a transaction one point is as good as another: SQLite's tests meet them all.
    within = [point for point in points if point not in around_commits]
    points = [*within[::7], *around_commits]
    assert len(around_commits) >= 4, "before and after: the begin, the archive, the outcome"
    assert len(points) > 7
    seen = kill_at(points, first_load, tmp_path, subtests)
    assert seen == {5, 6}, f"the loads died with {seen} captures there"


def test_killed_while_the_schema_is_made_the_next_run_makes_it(
    stage: Stage, tmp_path: Path, subtests: pytest.Subtests, postgres_server: URL
) -> None:
    def fresh(name: str) -> Path:
        home = tmp_path / name
        home.mkdir()
        return with_database(home, postgres_server)

    job = Job("", {"file": str(stage.last)})
    counted = fresh("counted")
    answer = run(replace(job, home=str(counted)))
    judge(counted)
    with opened(counted) as container:
        expected = all_datasets(container, ORIGIN)
    removed(counted)
    made = next(at for at, text in enumerate(answer.statements) if text.startswith("INSERT INTO r"))
    assert made > 20, answer.statements[:made]
    scene = Scene(tmp_path, job, expected, answer, captures=1)

    def die(number: int) -> bool:
        return killed(replace(job, home=str(fresh(str(number))), die_at_statement=number))

    numbers = [*range(2, made, 14), made]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number, died in zip(numbers, pool.map(die, numbers), strict=True):
            with subtests.test(f"SIGKILL before {number}: {answer.statements[number - 1]}"):
                assert died
                done_again(tmp_path / str(number), scene)
            removed(tmp_path / str(number))
