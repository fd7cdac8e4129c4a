"""``spine submit``, ``spine worker``, and what ``spine runs`` shows and does of queued runs."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cli_queue import provide
from cli_spine import Spine


@pytest.fixture
def queue(spine: Spine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spine:
    """The command line over pipelines that workers execute."""
    provide(tmp_path, monkeypatch)
    return spine


def submitted(queue: Spine, *words: str) -> str:
    """The id of a run that was submitted."""
    run_id: str = queue("submit", *words, "--json").json()["id"]
    return run_id


def worked(queue: Spine, *words: str) -> None:
    assert "working on pools" in queue("worker", "--until-idle", *words).out


def graph(queue: Spine, count: int = 3, bad: int = -1) -> str:
    """The id of a workflow's run that is over."""
    run_id = submitted(queue, "queue.graph", "-p", f"count={count}", "-p", f"bad={bad}")
    worked(queue)
    return run_id


def test_a_submitted_run_waits_for_a_worker_and_says_what_to_do(queue: Spine) -> None:
    said = queue("submit", "queue.say", "-p", "text=x")
    [run] = queue("runs", "list", "--json").json()

    assert said.out.splitlines()[:2] == [
        f"run {run['id']} of queue.say is PENDING",
        f"next: spine runs show {run['id']} --follow",
    ]
    assert "spine worker" in said.out
    assert (run["state"], run["trigger"], run["partition"]) == ("PENDING", "REQUEST", "x")
    assert "READY for the next free worker of pool default" in queue("runs", "show", "last").out

    worked(queue)

    shown = queue("runs", "show", "last", "--json").json()
    assert (shown["state"], shown["attempt"], shown["job"]) == ("SUCCEEDED", 1, None)
    assert [event["kind"] for event in shown["events"]] == ["SUBMITTED", "CLAIMED", "SUCCEEDED"]
    assert [line["text"] for line in shown["log"]] == ["said x"]
    few = queue("runs", "show", run["id"][:5], code=3)
    assert "a part of an id has 6 characters at least" in few.err


def test_the_same_request_is_the_same_run(queue: Spine) -> None:
    first = submitted(queue, "queue.say", "--request-id", "r1")
    again = submitted(queue, "queue.say", "--request-id", "r1")
    other = queue("submit", "queue.say", "-p", "text=y", "--request-id", "r1", code=2)

    assert first == again
    assert "was made before, for something else" in other.err
    assert len(queue("runs", "list", "--json").json()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("queue.say", "text=x"), "write -p text=x"),
        (("queue.say", "-p", "txet=x"), "did you mean 'text'"),
        (("queue.say", "--priority", "1001"), "--priority"),
        (("queue.say", "--request-id", ""), "request id"),
    ],
)
def test_what_cannot_be_run_is_not_queued(queue: Spine, words: tuple[str, ...], said: str) -> None:
    answer = queue("submit", *words, code=2)

    assert said in answer.err
    assert answer.out == ""
    assert queue("runs", "list", "--json").json() == []


def test_waiting_for_a_run_ends_with_its_outcome(queue: Spine) -> None:
    """What was executed before is told from its beginning."""
    submitted(queue, "queue.flaky", "--request-id", "f")
    submitted(queue, "queue.say", "--request-id", "s")
    worked(queue)

    bad = queue("submit", "queue.flaky", "--request-id", "f", "--wait", code=5)
    good = queue("submit", "queue.say", "--request-id", "s", "--wait")
    document = queue("submit", "queue.say", "--request-id", "s", "--wait", "--json").json()

    assert "RETRY_SCHEDULED  DEPENDENCY: the server is away; again in 0 s" in bad.out
    assert "attempt 2 by" in bad.out
    assert "error [DEPENDENCY] the server is away" in bad.err
    assert "queue.say  info: said hello" in good.out
    assert re.search(r"SUCCEEDED in [0-9.]+ m?s", good.out.splitlines()[-1])
    assert document["state"] == "SUCCEEDED"


def test_a_run_that_fails_before_it_is_queued_says_why(queue: Spine) -> None:
    numbers = f"numbers:={list(range(10_001))}"

    said = queue("submit", "queue.each", "-p", numbers, code=1)
    told = queue("submit", "queue.each", "-p", numbers, "--json", code=1).json()

    assert said.out.endswith(" of queue.each is FAILED\n")
    assert "step 'one' would be done for 10,001 items" in said.err
    assert "next:" not in said.out
    assert (told["state"], told["error"]["category"]) == ("FAILED", "VALIDATION")


def test_values_that_nest_too_deeply_are_refused(queue: Spine) -> None:
    said = queue("submit", "queue.each", "-p", f"numbers:={'[' * 9000}{']' * 9000}", code=2)

    assert "the value of -p numbers:= is nested too deeply" in said.err


def test_workers_take_the_pools_they_are_told(queue: Spine) -> None:
    heavy, light = submitted(queue, "queue.heavy"), submitted(queue, "queue.say")
    said = queue("submit", "queue.heavy").out
    assert said.endswith("if none runs: spine worker --pools default,heavy\n")
    queue("runs", "cancel", "last")

    def states() -> dict[str, str]:
        return {run["id"]: run["state"] for run in queue("runs", "list", "--json").json()}

    worked(queue, "--pool", "default")
    idle = queue("worker", "--until-idle")
    assert "pools that this worker does not serve: heavy; spine worker --pools default," in idle.err
    left = states()
    assert (left.pop(heavy), left.pop(light), *left.values()) == (
        "PENDING",
        "SUCCEEDED",
        "CANCELLED",
    )
    worked(queue, "--pools", "default,heavy", "--concurrency", "2")
    assert states() == {heavy: "SUCCEEDED", light: "SUCCEEDED", **left}
    assert "empty name" in queue("worker", "--until-idle", "--pool", "a,,b", code=2).err


def test_a_workflow_is_a_chart_with_its_errors(queue: Spine) -> None:
    run_id = graph(queue, bad=1)

    said = queue("runs", "show", run_id, code=0)
    lines = [line.split() for line in said.out.splitlines()]

    assert ["each", "(3", "items)", "1", "of", "3", "FAILED"] in [line[:7] for line in lines]
    assert [line[0] for line in lines if line and line[0].startswith("each[")] == [
        "each[0]",
        "each[1]",
        "each[2]",
        "each[1]",  # in the table of errors
    ]
    assert "  first" in said.out
    assert "SOURCE: number 1 is bad" in said.out
    assert "skipped, because" in said.out
    assert "█" in said.out
    assert "next: mend it" in said.err


def test_what_a_run_returned_is_shown_and_cut_where_it_is_long(queue: Spine) -> None:
    submitted(queue, "queue.numbers", "-p", "count=3")
    worked(queue)
    assert re.search(r"^ *returned +\[0, 1, 2\]$", queue("runs", "show", "last").out, re.MULTILINE)

    submitted(queue, "queue.numbers", "-p", "count=1000")
    worked(queue)
    cut = queue("runs", "show", "last").out
    assert re.search(r"returned +\[0, 1, .*\.\.\. \(4,890 characters, --json shows all\)", cut)


def test_a_retry_does_what_is_left_and_names_what_it_took_over(queue: Spine) -> None:
    old = graph(queue, bad=1)
    Path("mended").touch()

    said = queue("runs", "retry", old[-8:])
    worked(queue)
    shown = queue("runs", "show", "last", "--json").json()
    text = queue("runs", "show", "last").out

    assert said.out.startswith(f"run {shown['id']} goes on with run {old}\n")
    assert (shown["state"], shown["retry_of"]) == ("SUCCEEDED", old)
    reused = {part["step"] for part in shown["parts"] if part["retry_of"]}
    assert reused == {"numbers", "inner", "each"}
    redone = [p["item"] for p in shown["parts"] if p["step"] == "each" and not p["retry_of"]]
    assert redone == [1], "only the item that had failed"
    assert text.count("done by run") >= 2


def test_a_retry_can_begin_at_a_step_or_do_it_all(queue: Spine) -> None:
    old = graph(queue)

    refused = queue("runs", "retry", old, code=2)
    unknown = queue("runs", "retry", old, "--from-step", "lsat", code=2)
    both = queue("runs", "retry", old, "--from-step", "last", "--all", code=2)
    queue("runs", "retry", old, "--from-step", "last")
    worked(queue)
    part = queue("runs", "show", "last", "--json").json()
    queue("runs", "retry", old, "--all")
    worked(queue)
    whole = queue("runs", "show", "last", "--json").json()

    assert "nothing of it is left to do" in refused.err
    assert "no step 'lsat'" in unknown.err
    assert "give one of them" in both.err
    assert [p["step"] for p in part["parts"] if not p["retry_of"]] == ["last"]
    assert not [p for p in whole["parts"] if p["retry_of"]]
    assert part["retry_of"] == whole["retry_of"] == old


def test_what_waits_is_cancelled_at_once_and_twice_is_once(queue: Spine) -> None:
    run_id = submitted(queue, "queue.graph", "-p", "count=2", "-p", "bad=-1")

    first = queue("runs", "cancel", "last")
    second = queue("runs", "cancel", run_id)
    shown = queue("runs", "show", run_id, "--json").json()

    assert first.out == f"run {run_id} of queue.graph is CANCELLED\n"
    assert second.out == f"run {run_id} is CANCELLED already: nothing is cancelled\n"
    assert [part["state"] for part in shown["parts"]] == ["CANCELLED"]
    assert queue("runs", "cancel", "no-such-run", code=3).out == ""


def test_runs_are_selected_by_all_that_is_known_of_them(queue: Spine) -> None:
    graph(queue, bad=1)
    submitted(queue, "queue.say", "-p", "text=word")
    today = datetime.now(UTC).date().isoformat()

    def steps(*words: str) -> list[str | None]:
        return [run["step"] for run in queue("runs", "list", *words, "--json").json()]

    assert steps("--top-level") == [None, None]
    assert steps("--partition", "word") == [None]
    assert steps("--trigger", "request") == [None, None]
    assert steps("--category", "source") == ["each", None], "a workflow fails as its steps do"
    assert steps("--parent", "last") == []
    assert len(steps("--since", "1h")) == len(steps("--until", today)) == len(steps())
    assert steps("--since", "2099-01-01") == steps("--until", "1h") == []
    assert len(steps("--since", today)) == len(steps())
    assert "expected one of COMMAND" in queue("runs", "list", "--trigger", "x", code=2).err
    assert "--since 'soon' is no time" in queue("runs", "list", "--since", "soon", code=2).err


def test_pages_follow_each_other_and_say_how(queue: Spine) -> None:
    ids = [submitted(queue, "queue.say") for _ in range(5)][::-1]

    first = queue("runs", "list", "-n", "2")
    last = queue("runs", "list", "-n", "2", "--before", ids[3])

    assert first.out.splitlines()[-1] == f"next page: the same with --before {ids[1]}"
    assert [line[:36] for line in last.out.splitlines() if line[:8] == ids[4][:8]] == [ids[4]]
    assert "next page" not in last.out
    by_its_end = queue("runs", "list", "-n", "2", "--before", ids[3][-8:])
    assert by_its_end.out == last.out
    assert (
        "--before 'nonsense' is no run" in queue("runs", "list", "--before", "nonsense", code=2).err
    )


def test_statistics_count_by_pipeline_and_by_day(queue: Spine) -> None:
    submitted(queue, "queue.flaky")
    submitted(queue, "queue.say")
    worked(queue)
    submitted(queue, "queue.say")

    report = queue("runs", "stats", "--json").json()
    text = queue("runs", "stats").out

    by_pipeline = {item["pipeline"]: item for item in report["by_pipeline"]}
    assert by_pipeline["queue.say"]["counts"] == {"PENDING": 1, "SUCCEEDED": 1}
    assert by_pipeline["queue.flaky"]["success_rate"] == 0
    assert report["total"]["runs"] == 3
    assert [item["day"] for item in report["by_day"]] == [datetime.now(UTC).date().isoformat()]
    assert all(word in text for word in ("By pipeline since", "By day", "pending", "success %"))
    assert queue("runs", "stats", "--since", "2099-01-01").out.startswith("no runs since")


def test_old_runs_are_purged_and_live_ones_are_not(queue: Spine) -> None:
    submitted(queue, "queue.say")
    worked(queue)
    live = submitted(queue, "queue.say")

    young = queue("runs", "purge", "--older-than", "1d")
    wrong = queue("runs", "purge", "--older-than", "soon", code=2)
    nothing = queue("runs", "purge", "--older-than", "0s", code=2)

    assert young.out == "deleted: 0 runs, 0 events, 0 log lines\n"
    assert "no duration" in wrong.err
    assert "no age" in nothing.err
    assert len(queue("runs", "list", "--json").json()) == 2
    for _ in range(200):  # until the run has ended a second ago
        if queue("runs", "purge", "--older-than", "1s", "--json").json()["runs"]:
            break
    assert [run["id"] for run in queue("runs", "list", "--json").json()] == [live]


def test_events_and_logs_are_shown_where_they_are_asked_for(queue: Spine) -> None:
    submitted(queue, "queue.flaky")
    worked(queue)

    said = queue("runs", "show", "last", "--events", "--logs")

    assert "again in 0 s, of 2 attempts in all" in said.out
    assert "it has logged nothing" in said.out
    assert "RETRY_SCHEDULED" not in queue("runs", "show", "last").out
