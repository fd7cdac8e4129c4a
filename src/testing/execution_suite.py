"""What every way of executing runs has to promise."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from ..domain.errors import Category, SourceError, SpineError, ValidationError
from ..domain.queueing import Lease
from ..ports.execution import Ended, Execution, Task
from .execution_entry import Note, finished, notes
from .store_suite_samples import a_run

LONGEST = 60.0
"""Seconds after which what was waited for is taken to hang."""


def task(run: str, *, fence: int = 1) -> Task:
    """A task that does what its run is called after, see :mod:`.execution_entry`."""
    return Task(Lease(run, "owner", fence))


def ended(execution: Execution, number: int) -> dict[str, Ended]:
    """The next ``number`` tasks that end, by run."""
    found: list[Ended] = []
    deadline = time.monotonic() + LONGEST
    while len(found) < number:
        assert time.monotonic() < deadline, f"only {found} of {number} tasks have ended"
        found += execution.wait(1.0)
    by_run = {one.task.run: one for one in found}
    assert len(by_run) == len(found) == number, f"more ended than were started: {found}"
    return by_run


def run_one(execution: Execution, run: str) -> SpineError | None:
    """Execute one task; its error."""
    execution.start(task(run))
    return ended(execution, 1)[run].error


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition; it fails with ``what`` has not happened."""
    deadline = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def gone(pids: Collection[int]) -> bool:
    """Whether none of the processes is left; zombies count when they are children of this one."""
    return not any(_there(pid) for pid in pids)


def _there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self").exists()
    return state not in "ZX" or int(parent) == os.getpid()


def begun(folder: Path, run: str) -> Note:
    """The note of a run, once it is there."""
    until(lambda: run in notes(folder), f"{run} was not begun")
    return notes(folder)[run]


class ExecutionSuite:
    """Subclasses give ``execution``, with two slots, made from :mod:`.execution_entry`.

    Its settings are ``{"folder": str(folder)}``.
    """

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Where executed runs leave their notes."""
        return tmp_path

    def test_a_task_is_executed_and_told_once(self, execution: Execution, folder: Path) -> None:
        given = task("work/1", fence=17)
        execution.start(given)
        assert ended(execution, 1) == {"work/1": Ended(given, None)}
        assert execution.wait(0.0) == []
        note = notes(folder)["work/1"]
        assert (note.owner, note.fence) == ("owner", 17)

    def test_an_outcome_arrives_whole(self, execution: Execution) -> None:
        run = a_run("succeed", parameters={"week": "2025-12-22", "tiers": ["OTC"]})
        for known in (None, run):
            given = replace(task("succeed", fence=3), known=known)
            execution.start(given)
            told = ended(execution, 1)["succeed"]
            assert told == Ended(given, finished=finished(given))

    def test_each_outcome_belongs_to_its_task(self, execution: Execution) -> None:
        for number in range(20):
            given = {f"succeed/{number}": task(f"succeed/{number}"), "work": task("work")}
            for one in given.values():
                execution.start(one)
            told = ended(execution, 2)
            assert told["work"].finished is None
            run = f"succeed/{number}"
            assert told[run].finished == finished(given[run])

    def test_a_raised_error_arrives_whole(self, execution: Execution, folder: Path) -> None:
        error = run_one(execution, "refuse")
        assert isinstance(error, SourceError)
        assert error.to_dict() == {
            "type": "SourceError",
            "category": Category.RATE_LIMIT,
            "message": "the file is gone",
            "hint": "fetch it again",
            "retryable": True,
            "retry_after": 7.5,
            "context": {
                "run": None,
                "pipeline": None,
                "step": None,
                "partition": None,
                "metadata": {"path": str(folder)},
            },
            "cause": {"type": "builtins.FileNotFoundError", "message": "no such file"},
        }

    def test_an_answered_error_arrives(self, execution: Execution, folder: Path) -> None:
        error = run_one(execution, "answer")
        assert isinstance(error, ValidationError)
        assert error.context.metadata == {"folder": folder.name}

    def test_an_unforeseen_error_is_one_of_the_task_only(self, execution: Execution) -> None:
        error = run_one(execution, "break")
        assert error is not None
        assert error.category is Category.INTERNAL
        assert "ZeroDivisionError" in error.message
        assert run_one(execution, "work") is None

    def test_each_error_belongs_to_its_task(self, execution: Execution) -> None:
        execution.start(task("work"))
        execution.start(task("refuse"))
        told = ended(execution, 2)
        assert told["work"].error is None
        assert isinstance(told["refuse"].error, SourceError)

    def test_many_small_tasks_go_through_two_slots(self, execution: Execution) -> None:
        waiting = [f"work/{number}" for number in range(200)]
        told: list[str] = []
        active = 0
        deadline = time.monotonic() + LONGEST
        while len(told) < 200:
            while waiting and active < 2:
                execution.start(task(waiting.pop()))
                active += 1
            new = execution.wait(1.0)
            active -= len(new)
            told += [one.task.run for one in new if one.error is None]
            assert time.monotonic() < deadline, f"only {len(told)} have ended"
        assert sorted(told) == sorted(f"work/{number}" for number in range(200))

    def test_the_factory_is_called_once_in_a_process(
        self, execution: Execution, folder: Path
    ) -> None:
        for number in range(3):
            assert run_one(execution, f"work/{number}") is None
        seen = {(note.pid, note.made) for note in notes(folder).values()}
        assert len(seen) == 1

    def test_ending_what_is_not_there_does_nothing(self, execution: Execution) -> None:
        why = SpineError("it was cancelled")
        execution.end("work", why)
        execution.start(task("work"))
        assert ended(execution, 1)["work"].error is None
        execution.end("work", why)
        assert execution.wait(0.0) == []

    def test_waiting_for_nothing_takes_the_time(self, execution: Execution) -> None:
        before = time.monotonic()
        assert execution.wait(0.2) == []
        assert time.monotonic() - before >= 0.19

    def test_it_can_be_closed_twice(self, execution: Execution) -> None:
        assert run_one(execution, "work") is None
        execution.close()
        execution.close()


class IsolatedExecutionSuite(ExecutionSuite):
    """For those that say they are isolated."""

    @pytest.fixture
    def own(self, execution: Execution) -> Execution:
        """An execution whose processes nobody else can have a use for; ``execution`` itself."""
        return execution

    DEATHS: Mapping[str, tuple[Category, str]] = {
        "killed": (Category.RESOURCE, r"killed \(signal 9\), most likely for want of memory"),
        "terminated": (Category.TRANSIENT, "SIGTERM"),
        "crash": (Category.INTERNAL, "SIGSEGV"),
        "abort": (Category.INTERNAL, "SIGABRT"),
        "exit": (Category.INTERNAL, "exit code 7"),
        "leave": (Category.INTERNAL, "exit code 3"),
    }

    def test_it_says_that_it_is_isolated(self, execution: Execution) -> None:
        assert execution.isolated

    @pytest.mark.parametrize("death", DEATHS)
    def test_a_death_is_an_error_of_that_task_only(
        self, execution: Execution, folder: Path, death: str
    ) -> None:
        category, words = self.DEATHS[death]
        execution.start(task("hang"))
        other = begun(folder, "hang")
        error = run_one(execution, death)
        assert error is not None
        assert error.category is category
        assert re.search(words, error.message)
        assert f"run {death}" in error.message
        assert error.hint
        assert run_one(execution, "work") is None
        assert not gone([other.pid])
        assert execution.wait(0.0) == []

    def test_tasks_run_side_by_side(self, execution: Execution, folder: Path) -> None:
        execution.start(task("meet/1"))
        execution.start(task("meet/2"))
        assert [one.error for one in ended(execution, 2).values()] == [None, None]
        assert len({note.pid for note in notes(folder).values()}) == 2
        assert os.getpid() not in {note.pid for note in notes(folder).values()}

    def test_one_more_than_there_are_slots_is_refused(self, execution: Execution) -> None:
        execution.start(task("hang/1"))
        execution.start(task("hang/2"))
        with pytest.raises(SpineError, match="all 2 slots are taken"):
            execution.start(task("hang/3"))

    @pytest.mark.parametrize("deed", ["hang with child", "compute"])
    def test_a_task_can_be_ended_and_is_gone(
        self, execution: Execution, folder: Path, deed: str
    ) -> None:
        execution.start(task("hang/other"))
        other = begun(folder, "hang/other")
        execution.start(task(deed))
        note = begun(folder, deed)
        why = SpineError("it took too long", category=Category.TIMEOUT)
        execution.end(deed, why)
        before = time.monotonic()
        assert ended(execution, 1) == {deed: Ended(task(deed), why)}
        assert time.monotonic() - before < 5.0
        mine = [note.pid, *([note.child] if note.child else [])]
        until(lambda: gone(mine), f"of {mine} some still run")
        assert not gone([other.pid])
        assert run_one(execution, "work") is None
        execution.end("hang/other", why)
        assert ended(execution, 1)["hang/other"].error == why

    def test_what_a_dead_process_has_started_dies_too(
        self, execution: Execution, folder: Path
    ) -> None:
        assert run_one(execution, "exit with child") is not None
        child = notes(folder)["exit with child"].child
        assert child
        until(lambda: gone([child]), "a process of the task still runs")

    def test_a_task_that_is_ended_can_be_started_again(
        self, execution: Execution, folder: Path
    ) -> None:
        execution.start(task("hang"))
        begun(folder, "hang")
        why = SpineError("it was cancelled")
        execution.end("hang", why)
        assert ended(execution, 1)["hang"].error == why
        execution.start(task("hang", fence=2))
        until(lambda: notes(folder)["hang"].fence == 2, "the second claim was not begun")
        execution.end("hang", why)
        assert ended(execution, 1)["hang"] == Ended(task("hang", fence=2), why)

    def test_closing_leaves_no_process(self, own: Execution, folder: Path) -> None:
        own.start(task("hang with child"))
        note = begun(folder, "hang with child")
        assert run_one(own, "work") is None
        pids = [note.pid, note.child or 0, notes(folder)["work"].pid]
        own.close()
        until(lambda: gone(pids), f"of {pids} some still run")
        with pytest.raises(SpineError, match="closed"):
            own.start(task("work"))
