"""Workers as processes: what they execute dies or is late; they are stopped and killed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from worker_place import LONGEST, Place, gone, wait_for

from market_spine.domain.errors import Category
from market_spine.domain.runs import RunState


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name in [name for name in os.environ if name.startswith("SPINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return Place(tmp_path / "home")


@pytest.mark.parametrize(
    ("how", "category", "said"),
    [
        ("exit", Category.INTERNAL, "3"),
        ("SIGSEGV", Category.INTERNAL, "SIGSEGV"),
        ("SIGKILL", Category.RESOURCE, "memory"),
    ],
)
def test_what_a_run_does_to_its_process_fails_that_run_and_nothing_else(
    place: Place, how: str, category: Category, said: str
) -> None:
    beside = place.submit("w.deaf", seconds=1.5)
    with place.worker() as worker:
        place.noted(beside, "begun")
        dying = place.submit("w.dies", how=how)
        after = place.submit("w.quick")

        ended = place.ended(dying)
        assert place.ended(after).state is RunState.SUCCEEDED
        assert place.ended(beside).state is RunState.SUCCEEDED
        assert worker.poll() is None

    assert ended.state is RunState.FAILED
    assert ended.error is not None
    assert ended.error.category is category
    assert said in str(ended.error)
    assert place.run(beside).attempt == 1


def test_a_run_that_takes_too_much_memory_fails_for_want_of_it(
    place: Place,
) -> None:
    place.environment["SPINE_EXECUTION_MEMORY"] = "2048"
    hog = place.submit("w.dies", how="memory")
    with place.worker():
        ended = place.ended(hog)

    assert ended.error is not None
    assert ended.error.category is Category.RESOURCE


def test_a_run_that_takes_too_long_is_ended_with_all_it_started(place: Place) -> None:
    late = place.submit("w.short")
    with place.worker():
        ended = place.ended(late)
        [note] = (place.home / "notes").glob(f"{late}.1.child-*")
        pids = int(note.read_text()), int(note.name.rpartition("-")[2])
        wait_for("end of both processes", lambda: all(map(gone, pids)))

    assert ended.error is not None
    assert ended.error.category is Category.TIMEOUT
    assert "6 s" in ended.error.message


def test_a_cancelled_run_that_listens_ends_by_itself(place: Place) -> None:
    polite = place.submit("w.polite")
    with place.worker():
        pid = place.noted(polite, "begun")
        told = wait_for(
            "progress", lambda: place.application.read_runs().progress([polite]).get(polite)
        )
        place.application.cancel_run()(polite)
        assert place.ended(polite).state is RunState.CANCELLED
        assert not gone(pid), "it was killed, although it listened"

    assert (told.label, told.total, told.unit) == ("counting", 6000, "rows")
    assert place.kinds(polite) == ["SUBMITTED", "CLAIMED", "CANCEL_REQUESTED", "CANCELLED"]


def test_a_cancelled_run_that_does_not_listen_is_killed(place: Place) -> None:
    deaf = place.submit("w.deaf")
    with place.worker():
        pid = place.noted(deaf, "begun")
        place.application.cancel_run()(deaf)

        ended = place.ended(deaf)
        assert ended.state is RunState.CANCELLED
        assert ended.error is not None
        assert "killed: it did not end in" in ended.error.message
        wait_for("end of its process", lambda: gone(pid))
        assert place.ended(place.submit("w.quick")).state is RunState.SUCCEEDED


def test_a_worker_that_is_stopped_lets_runs_end_and_takes_no_more(place: Place) -> None:
    place.environment["SPINE_GRACE"] = "60"
    ending = place.submit("w.deaf", seconds=1)
    with place.worker("--concurrency", "1") as worker:
        place.noted(ending, "begun")
        waiting = place.submit("w.quick")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0

    assert place.run(ending).state is RunState.SUCCEEDED
    assert place.run(waiting).state is RunState.PENDING


def test_what_a_stopped_worker_cannot_end_another_one_takes_at_once(place: Place) -> None:
    slow = place.submit("w.first_slow")
    with place.worker() as worker:
        pid = place.noted(slow, "begun")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    assert gone(pid)
    assert place.kinds(slow) == ["SUBMITTED", "CLAIMED", "RELEASED"]

    with place.worker():
        assert place.ended(slow).attempt == 2


def test_a_second_signal_ends_a_worker_now(place: Place) -> None:
    place.environment["SPINE_GRACE"] = "600"
    slow = place.submit("w.first_slow")
    with place.worker() as worker:
        pid = place.noted(slow, "begun")
        worker.send_signal(signal.SIGTERM)
        assert worker.stdout is not None
        assert worker.stdout.readline().startswith("stopping: what is under way has 600 s to end")
        worker.send_signal(signal.SIGINT)
        assert worker.wait(30) == 5  # started again, it goes on
        assert worker.stderr is not None
        assert "second signal" in worker.stderr.read()
    assert gone(pid)

    with place.worker():
        assert place.ended(slow).state is RunState.SUCCEEDED


def test_a_killed_workers_workflow_goes_on_from_its_last_finished_step(place: Place) -> None:
    chain = place.submit("w.chain")
    with place.worker() as worker:
        slow = wait_for(
            "second step",
            lambda: next(
                (
                    part
                    for part in place.application.read_runs().parts(chain)
                    if part.step == "slow"
                ),
                None,
            ),
        )
        pid = place.noted(slow.id, "begun")
        worker.kill()
        worker.wait()
    wait_for("end of what it executed", lambda: gone(pid))

    began = time.monotonic()
    with place.worker():
        ended = place.ended(chain)

    assert ended.state is RunState.SUCCEEDED, ended.error
    assert time.monotonic() - began < 35
    assert {step: part.attempt for step, part in place.parts(chain).items()} == {
        "first": 1,
        "slow": 2,
        "last": 1,
    }
    assert "LEASE_LOST" in place.kinds(slow.id)


def test_a_worker_that_was_stopped_beyond_its_lease_commits_nothing_when_it_goes_on(
    place: Place,
) -> None:
    place.environment["SPINE_EXECUTION"] = "inline"
    slow = place.submit("w.deaf", seconds=3)
    with place.worker() as frozen:
        place.noted(slow, "begun")
        frozen.send_signal(signal.SIGSTOP)
        with place.worker():
            place.noted(slow, "done", attempt=2)
            assert place.ended(slow).attempt == 2
        frozen.send_signal(signal.SIGCONT)
        place.noted(slow, "done", attempt=1)
        late = place.submit("w.quick")
        assert place.ended(late).state is RunState.SUCCEEDED, "it works on"

    assert place.run(slow).attempt == 2
    assert place.kinds(slow) == ["SUBMITTED", "CLAIMED", "LEASE_LOST", "CLAIMED", "SUCCEEDED"]


def test_a_worker_takes_only_from_its_pools(place: Place) -> None:
    pooled, quick = place.submit("w.pooled"), place.submit("w.quick")
    with place.worker("--pools", "loads", "--until-idle") as worker:
        assert worker.wait(30) == 0
    assert place.run(pooled).state is RunState.SUCCEEDED
    assert place.run(quick).state is RunState.PENDING


def test_the_server_executes_what_is_queued_and_stops_with_its_worker(place: Place) -> None:
    quick = place.submit("w.quick")
    with place.worker("--listen", "127.0.0.1:0", command="serve") as server:
        assert place.ended(quick).state is RunState.SUCCEEDED
        server.send_signal(signal.SIGTERM)
        assert server.wait(40) == 0


def test_an_upgrade_under_a_running_worker_fails_no_run(place: Place, tmp_path: Path) -> None:
    place.environment["PYTHONPATH"] += f"{os.pathsep}{tmp_path}"
    with place.worker() as worker:
        assert place.ended(place.submit("w.dies", how="exit")).state is RunState.FAILED
        upgraded = tmp_path / "market_spine-99.dist-info"
        upgraded.mkdir()
        about = "Metadata-Version: 2.1\nName: market-spine\nVersion: 99\n"
        (upgraded / "METADATA").write_text(about)
        quick = place.submit("w.quick")
        assert worker.stderr is not None
        said = next(line for line in worker.stderr if "the software was replaced" in line)
        worker.terminate()
        assert worker.wait(LONGEST) == 0

    assert "restart the worker" in said
    assert place.run(quick).state is RunState.PENDING
    with place.worker():
        assert place.ended(quick).state is RunState.SUCCEEDED


def test_a_module_that_is_half_written_fails_no_run(place: Place, tmp_path: Path) -> None:
    module = tmp_path / "extra_module.py"
    module.touch()
    place.environment["PYTHONPATH"] += f"{os.pathsep}{tmp_path}"
    place.environment["SPINE_MODULES"] += ",extra_module"
    with place.worker() as worker:
        assert place.ended(place.submit("w.dies", how="exit")).state is RunState.FAILED
        module.write_text("def half(")
        quick = place.submit("w.quick")
        assert worker.stderr is not None
        assert next(line for line in worker.stderr if f"run {quick}, it stays queued" in line)
        module.write_text("")
        assert place.ended(quick).state is RunState.SUCCEEDED
