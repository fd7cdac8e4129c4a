"""Processes that execute runs, and all that can befall them."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from market_spine.adapters.outbound.execution.processes import ProcessExecution
from market_spine.domain.errors import Category, ConfigurationError, SourceError, SpineError
from market_spine.domain.queueing import Lease
from market_spine.ports.execution import Ended, Task
from market_spine.testing.execution_entry import ENTRY, notes
from market_spine.testing.execution_suite import LONGEST, begun, ended, gone, run_one, task, until

PARENT = Path(__file__).with_name("execution_parent.py")
Make = Callable[..., ProcessExecution]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes executions with one slot, which are closed after the test."""
    made: list[ProcessExecution] = []

    def new(
        entry: str = ENTRY, settings: Mapping[str, Any] | None = None, **more: Any
    ) -> ProcessExecution:
        given = {"folder": str(tmp_path)} if settings is None else settings
        made.append(ProcessExecution(entry, given, **{"slots": 1, **more}))
        return made[-1]

    yield new
    for one in made:
        one.close()


def pids(execution: ProcessExecution) -> list[int]:
    return [seat.process.pid for seat in execution._seats]


@pytest.mark.parametrize("deed", ["hang", "compute"])
def test_processes_do_not_outlive_their_parent(tmp_path: Path, deed: str) -> None:
    parent = subprocess.Popen([sys.executable, PARENT, "processes", tmp_path, deed])
    try:
        child = begun(tmp_path, deed).pid
        parent.kill()
        until(lambda: gone([child]), "the process goes on without its parent")
    finally:
        parent.kill()
        parent.wait()


def test_a_main_module_without_a_guard_is_not_run_again(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, PARENT, "processes", tmp_path, "work"],
        capture_output=True,
        text=True,
        check=True,
        timeout=LONGEST,
    )
    assert (done.stdout, done.stderr) == ("None\n", "")
    assert list(notes(tmp_path)) == ["work"]


def test_a_process_does_not_end_with_the_thread_that_started_its_task(
    make: Make, tmp_path: Path
) -> None:
    execution = make()
    done = threading.Event()

    def start() -> None:
        execution.start(task("hang"))
        done.wait(LONGEST)

    thread = threading.Thread(target=start)
    thread.start()
    child = begun(tmp_path, "hang").pid
    done.set()
    thread.join()
    assert execution.wait(0.3) == []
    assert not gone([child])


_ORPHAN = """
import os, socket, subprocess, sys, time
sys.platform = "one where the kernel does nothing about it"
from market_spine.adapters.outbound.execution.orphans import die_with
die_with(int(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])))
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
print(os.getpid(), child.pid, flush=True)
time.sleep(3600)
"""
_PARENT = """
import os, socket, subprocess, sys, time
mine, theirs = socket.socketpair()
arguments = [sys.executable, "-c", sys.argv[1], str(os.getpid()), str(theirs.fileno())]
subprocess.Popen(arguments, pass_fds=[theirs.fileno()], start_new_session=True)
theirs.close()
time.sleep(3600)
"""


def test_an_orphan_takes_its_children_along() -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT, _ORPHAN], stdout=-1, text=True) as parent:
        assert parent.stdout
        mine = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(mine) == 2
    until(lambda: gone(mine), f"of {mine} some go on without their parent")


def test_a_process_sees_what_its_parent_sees(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "beside_the_data.py").write_text("from execution_deeds import show\n")
    (tmp_path / "json.py").write_text("raise ImportError('this is not the real one')")
    sys.path.remove(str(tmp_path))
    sys.path.append(str(tmp_path))
    settings = {"file": str(tmp_path / "seen"), "list": [1, 2.5, None, {"a": True}]}
    execution = make("beside_the_data:show", settings)
    execution.start(Task(Lease("show", "o", 1), {"token": "a secret\nof two lines ü"}))
    assert ended(execution, 1)["show"].error is None
    seen = json.loads((tmp_path / "seen").read_text())
    assert seen == {
        "cwd": str(tmp_path),
        "path": sys.path,
        "settings": settings,
        "secrets": {"token": "a secret\nof two lines ü"},
        "leads": True,
        "interrupt": True,
        "terminate": True,
        "main": None,
    }
    out, err = capfd.readouterr()
    assert out == ""
    assert "said by a pipeline" in err


def test_secrets_and_settings_stand_in_no_command_line(make: Make, tmp_path: Path) -> None:
    execution = make(settings={"folder": str(tmp_path), "url": "the-password"})
    execution.start(Task(Lease("hang", "o", 1), {"token": "the-token"}))
    child = Path(f"/proc/{begun(tmp_path, 'hang').pid}")
    if not child.exists():
        pytest.skip("this kernel does not show command lines")
    shown = (child / "cmdline").read_bytes() + (child / "environ").read_bytes()
    assert b"the-password" not in shown
    assert b"the-token" not in shown


@pytest.mark.parametrize("entry", ["", "module", "module:", "a.b:c d", ":make", "a..b:make"])
def test_an_entry_that_is_none_is_refused(make: Make, entry: str) -> None:
    with pytest.raises(ConfigurationError, match=r"package.module:factory"):
        make(entry, {})


@pytest.mark.parametrize(
    "value", [Path("folder"), {1: "a"}, (1, 2), {1, 2}, object(), b"bytes", float("nan")]
)
def test_settings_that_would_not_arrive_as_they_are_are_refused(make: Make, value: object) -> None:
    with pytest.raises(ConfigurationError, match="not plain"):
        make(settings={"value": value})


@pytest.mark.parametrize("entry", ["there_is_no_such_module:make", "execution_deeds:nothing"])
def test_an_entry_that_is_not_there_is_told_for_each_task(make: Make, entry: str) -> None:
    execution = make(entry, {})
    for run in ("one", "two"):
        error = run_one(execution, run)
        assert isinstance(error, ConfigurationError)
        assert entry in error.message


def test_a_factory_that_fails_is_called_again_for_the_next_task(make: Make) -> None:
    execution = make("execution_deeds:fail_to_start", {})
    for run in ("one", "two"):
        error = run_one(execution, run)
        assert isinstance(error, SourceError)
        assert error.category is Category.DEPENDENCY
    until(lambda: execution.wait(0.0) == [] and not pids(execution), "the processes did not leave")


def test_a_process_that_dies_while_it_starts_is_not_started_for_ever(make: Make) -> None:
    error = run_one(make("execution_deeds:exit_at_start", {}), "one")
    assert error is not None
    assert "exit code 9" in error.message


def test_what_is_no_answer_is_an_error(make: Make) -> None:
    error = run_one(make("execution_deeds:no_answer", {}), "one")
    assert error is not None
    assert "'one is done'" in error.message


def test_an_error_of_any_size_arrives(make: Make) -> None:
    error = run_one(make("execution_deeds:big_error", {}), "one")
    assert error is not None
    assert error.message == "x" * 3_000_000
    assert error.context.metadata == {"odd": "{1, 2}"}


@pytest.mark.parametrize("deed", ["lose_touch", "garble"])
def test_a_process_that_cannot_be_understood_is_killed(
    make: Make, monkeypatch: pytest.MonkeyPatch, deed: str
) -> None:
    monkeypatch.setattr("market_spine.adapters.outbound.execution.processes._SILENCE", 0.2)
    execution = make(f"execution_deeds:{deed}", {})
    execution.start(task("one"))
    (pid,) = pids(execution)
    error = ended(execution, 1)["one"].error
    assert error is not None
    assert error.category is Category.INTERNAL
    assert "closed or garbled its connection" in error.message
    assert gone([pid])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not hold to the limit")
@pytest.mark.parametrize("where", ["python", "native"])
def test_want_of_memory_is_told_as_that(make: Make, where: str) -> None:
    execution = make("execution_deeds:swallow_memory", {}, memory_limit=4 << 30)
    error = run_one(execution, where)
    assert error is not None
    assert error.category is Category.RESOURCE
    assert "memory" in str(error)
    assert not error.retryable
    assert run_one(execution, "little") is None


def test_a_task_is_not_blamed_for_the_death_of_an_idle_process(make: Make, tmp_path: Path) -> None:
    execution = make()
    for number in range(20):
        assert run_one(execution, f"work/{number}") is None
        os.kill(pids(execution)[-1], signal.SIGKILL)
        # No time to see it: the next task is sent to a process that is about to be gone.
    assert len(notes(tmp_path)) == 20


def test_a_stopped_process_can_be_ended(make: Make, tmp_path: Path) -> None:
    execution = make(slots=2)
    execution.start(task("hang"))
    os.kill(begun(tmp_path, "hang").pid, signal.SIGSTOP)
    for number in range(3):
        assert run_one(execution, f"work/{number}") is None
    why = SpineError("it took too long")
    execution.end("hang", why)
    assert ended(execution, 1) == {"hang": Ended(task("hang"), why)}


def test_what_was_recorded_before_the_end_is_told_as_recorded(make: Make, tmp_path: Path) -> None:
    execution = make()
    execution.start(task("work"))
    begun(tmp_path, "work")
    (seat,) = execution._seats
    until(lambda: _has_answered(seat.process.fileno()), "there is no answer")
    execution.end("work", SpineError("it was cancelled"))
    assert ended(execution, 1)["work"].error is None


def _has_answered(connection: int) -> bool:
    import socket

    with socket.socket(fileno=os.dup(connection)) as same:
        same.settimeout(LONGEST)
        return same.recv(1 << 16, socket.MSG_PEEK).count(b"\n") == 2


def test_ctrl_c_at_a_terminal_is_the_parents_business(make: Make, tmp_path: Path) -> None:
    execution = make()
    execution.start(task("hang"))
    child = begun(tmp_path, "hang").pid
    os.kill(child, signal.SIGINT)
    assert execution.wait(0.3) == []
    assert not gone([child])


def test_killing_processes_at_any_instant_loses_and_doubles_no_task(
    make: Make, tmp_path: Path
) -> None:
    execution = make(slots=3)
    chance = random.Random(7)
    waiting = [f"work/{number}" for number in range(150)]
    told: list[Ended] = []
    active = 0
    deadline = time.monotonic() + LONGEST
    while len(told) < 150:
        while waiting and active < 3:
            execution.start(task(waiting.pop()))
            active += 1
        if chance.random() < 0.3 and pids(execution):
            time.sleep(chance.random() * 0.002)
            os.kill(chance.choice(pids(execution)), signal.SIGKILL)
        new = execution.wait(chance.choice([0.0, 1.0]))
        active -= len(new)
        told += new
        assert time.monotonic() < deadline, f"only {len(told)} of 150 have ended"
    assert sorted(one.task.run for one in told) == sorted(f"work/{n}" for n in range(150))
    unexpected = [one.error for one in told if one.error and "signal 9" not in one.error.message]
    assert unexpected == []
    assert sum(one.error is None for one in told) > 50


def test_neither_files_nor_processes_pile_up(make: Make) -> None:
    execution = make()
    counts = set()
    for number in range(10):
        assert run_one(execution, f"exit/{number}") is not None
        assert run_one(execution, f"work/{number}") is None
        counts.add((len(os.listdir("/dev/fd")), len(pids(execution))))  # noqa: PTH208
    assert len(counts) == 1


def test_a_system_that_refuses_a_process_is_told_as_an_error_of_the_task(make: Make) -> None:
    execution = make()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = max(int(name) for name in os.listdir("/dev/fd")) + 1  # noqa: PTH208
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    held = []
    try:
        while True:
            try:
                held.append(os.dup(0))
            except OSError:
                break
        execution.start(task("work"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for number in held:
            os.close(number)
    error = ended(execution, 1)["work"].error
    assert error is not None
    assert (error.category, error.retryable) == (Category.RESOURCE, True)
    assert run_one(execution, "work") is None
