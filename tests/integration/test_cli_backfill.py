"""``spine backfill``: what would run, what runs, and how it is paused, cancelled and done again."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from cli_queue import provide
from cli_spine import Spine

TIME = ("--from", "2026-01-05", "--to", "2026-01-07")
BAD = ("-p", "bad=2026-01-06")


@pytest.fixture
def queue(spine: Spine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spine:
    """The command line over pipelines that workers execute."""
    provide(tmp_path, monkeypatch)
    return spine


def made(queue: Spine, *words: str) -> str:
    """The id of a new backfill of three days."""
    backfill_id: str = queue("backfill", "create", "queue.day", *TIME, *words, "--json").json()[
        "id"
    ]
    return backfill_id


def worked(queue: Spine) -> None:
    queue("worker", "--until-idle")


def test_a_dry_run_tells_what_would_run_and_leaves_nothing(queue: Spine) -> None:
    words = ("backfill", "create", "queue.day", *TIME, "--dry-run")

    said = queue(*words, "-p", "symbol=B")
    plan = queue(*words, "--json").json()

    assert "3 partitions would run" in said.out
    assert "2026-01-06/B   MISSING   no run of it has ended" in said.out
    assert len(plan["wanted"]) == 6
    assert plan["wanted"][0]["parameters"] == {"day": "2026-01-05", "symbol": "A"}
    assert plan["others"] == []
    assert queue("backfill", "list", "--json").json() == []
    assert queue("runs", "list", "--json").json() == []


def test_others_are_summed_up_or_shown_each(queue: Spine) -> None:
    made(queue, "-p", "symbol=A")
    worked(queue)
    words = ("backfill", "create", "queue.day", *TIME, "--dry-run", "--only", "missing,failed")

    summed = queue(*words)
    each = queue(*words, "--all")

    assert "would not run: 3 CURRENT; --all shows each" in summed.out
    assert "3 partitions would not run" in each.out
    assert "2026-01-07/A   CURRENT" in each.out


def test_a_backfill_runs_a_few_at_once_and_shows_what_failed(queue: Spine) -> None:
    said = queue(
        "backfill", "create", "queue.day", *TIME, *BAD, "-p", "symbol=A", "--max-active", "2"
    )
    backfill_id = said.out.split()[1]
    waiting = queue("backfill", "show", backfill_id[-8:], "--json").json()
    worked(queue)
    text = queue("backfill", "show", "last")
    every = queue("backfill", "show", "last", "--parts")

    assert "3 partitions, 2 at once" in said.out
    assert f"next: spine backfill show {backfill_id} --follow" in said.out
    assert waiting["counts"]["ACTIVE"] == 2
    assert waiting["counts"]["PLANNED"] == 1
    assert "3 of 3" in text.out
    assert "SOURCE: there is no 2026-01-06" in text.out
    assert text.out.splitlines()[-1] == (
        "next: spine backfill create queue.day --from 2026-01-05 --to 2026-01-07 "
        "-p bad=2026-01-06 -p symbol=A --only failed"
    )
    assert every.out.count("SUCCEEDED") == 3  # once in the sum
    assert "2026-01-07/A" in every.out


def test_what_failed_is_done_again(queue: Spine) -> None:
    made(queue, *BAD, "-p", "symbol=A")
    worked(queue)
    Path("mended").touch()
    again = made(queue, *BAD, "-p", "symbol=A", "--only", "failed")
    worked(queue)

    shown = queue("backfill", "show", again, "--json").json()
    nothing = queue("backfill", "create", "queue.day", *TIME, "--only", "failed", code=2)

    assert [part["partition"] for part in shown["parts"]] == ["2026-01-06/A"]
    assert shown["state"] == "SUCCEEDED"
    assert "is wanted" in nothing.err


def test_following_ends_with_the_backfill(queue: Spine) -> None:
    made(queue, *BAD, "-p", "symbol=A")
    worked(queue)

    said = queue("backfill", "show", "last", "--follow", code=1)
    document = queue("backfill", "show", "last", "--follow", "--json", code=1).json()

    lines = [line for line in said.out.splitlines() if "/A  " in line and "  run " in line]
    assert [line.split()[3] for line in lines] == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert document["state"] == "FAILED"
    assert len(document["parts"]) == 3


def test_a_backfill_is_paused_resumed_and_cancelled(queue: Spine) -> None:
    backfill_id = made(queue, "--max-active", "1")

    paused = queue("backfill", "pause", "last")
    worked(queue)
    held = queue("backfill", "show", "last", "--json").json()
    resumed = queue("backfill", "resume", backfill_id[:13])
    cancelled = queue("backfill", "cancel", "last")
    worked(queue)
    over = queue("backfill", "show", "last", "--json").json()

    assert f"backfill {backfill_id} of queue.day is PAUSED" in paused.out
    assert "go on to their end" in paused.out
    assert (held["counts"]["SUCCEEDED"], held["counts"]["PLANNED"]) == (1, 5)
    assert "is RUNNING" in resumed.out
    assert "is CANCELLED" in cancelled.out
    assert over["counts"] == {
        "PLANNED": 0,
        "ACTIVE": 0,
        "SUCCEEDED": 1,
        "FAILED": 0,
        "CANCELLED": 5,
    }
    next_step = queue("backfill", "show", "last").out.splitlines()[-1]
    assert next_step.startswith("next: spine backfill create queue.day --from 2026-01-05")
    assert next_step.endswith(" --only missing")
    again = queue(*shlex.split(next_step)[2:], "--dry-run", "--json").json()
    assert len(again["wanted"]) == 5
    assert "is CANCELLED" in queue("backfill", "cancel", "last").out
    assert "CANCELLED" in queue("backfill", "resume", "last", code=2).err


def test_backfills_are_listed_newest_first_by_pages(queue: Spine) -> None:
    ids = [made(queue, "-p", "symbol=A") for _ in range(3)][::-1]

    first = queue("backfill", "list", "-n", "2")
    rest = queue("backfill", "list", "--before", ids[1], "--json").json()

    assert [line[:36] for line in first.out.splitlines()[2:4]] == ids[:2]
    assert "0/3" in first.out
    assert first.out.splitlines()[-1] == f"next page: the same with --before {ids[1]}"
    assert [item["id"] for item in rest] == ids[2:]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "last"), "none was made yet"),
        (("pause", "no-such-backfill"), "there is no backfill no-such-backfill"),
    ],
)
def test_a_backfill_that_is_not_there_is_told(
    queue: Spine, words: tuple[str, ...], said: str
) -> None:
    answer = queue("backfill", *words, code=3)

    assert said in answer.err
    assert answer.out == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "queue.day", "--from", "soon", "--to", "2026-01-07"), "--from 'soon'"),
        (("create", "queue.say", *TIME), "queue.day"),
        (("create", "queue.day", *TIME, "--only", "lost"), "expected one of MISSING"),
        (("create", "queue.day", *TIME, "-p", "symbol=C"), "C is no symbol"),
        (("create", "queue.day", *TIME, "-p", "day=2026-01-05"), "--from and --to"),
        (("create", "queue.day", *TIME[2:], "--from", "2026-02-01"), "earlier date first"),
        (("create", "queue.day", *TIME, "--max-active", "100000"), "at once"),
    ],
)
def test_wrong_usage_is_told_and_makes_nothing(
    queue: Spine, words: tuple[str, ...], said: str
) -> None:
    answer = queue("backfill", *words, code=2)

    assert said in answer.err
    assert answer.out == ""
    assert queue("backfill", "list", "--json").json() == []
