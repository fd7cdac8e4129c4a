"""A server is asked in the place of a store: the same commands print the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cli_queue
import pytest
from cli_server import RemoteSpine, serving
from cli_spine import DOMAIN, Spine

MODULES = {"SPINE_MODULES": "queue_pipelines", "SPINE_EXECUTION": "inline"}


@dataclass(frozen=True, slots=True)
class Place:
    """A working folder with a history, a server on it, and commands that ask either."""

    spine: Spine
    remote: RemoteSpine


@pytest.fixture(scope="module")
def address(filled: Path) -> Iterator[str]:
    """A server over a store with runs of all kinds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(filled)
        cli_queue.provide(filled, patch)
        spine = Spine()
        spine("submit", "queue.say", "-p", "text=hello", "--priority", "5")
        spine("submit", "queue.graph", "-p", "count=3", "-p", "bad=1")
        spine("submit", "queue.graph", "-p", "count=25", "-p", "bad=-1")
        spine("submit", "queue.flaky")
        spine("submit", "queue.inner", "--request-id", "mine")
        every = ("--from", "2026-01-05", "--to", "2026-01-06")
        spine("backfill", "create", "queue.day", *every, "-p", "bad=2026-01-06")
        spine("worker", "--until-idle")
        spine("runs", "retry", _failed(spine, "queue.graph"))
        spine("run", "queue.inner")
        spine("backfill", "create", "queue.day", *every, "--max-active", "1", "--force")
        spine("backfill", "pause", "last")
        spine("submit", "queue.heavy", "--priority", "-3")
        spine("submit", "queue.say", "-p", "text=never")
        spine("runs", "cancel", "last")
    with serving(filled, env=MODULES) as address:
        yield address


def _failed(spine: Spine, pipeline: str) -> str:
    listed = spine("runs", "list", "--pipeline", pipeline, "--state", "failed", "--json").json()
    return str(listed[0]["id"])


@pytest.fixture
def place(address: str, filled: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(filled)
    for name, value in MODULES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(filled)
    return Place(Spine(), RemoteSpine(address))


def same(place: Place, *words: str, code: int | None = None) -> str:
    """What both print; it has to be the same, on both streams, with the same exit code."""
    here, there = place.spine(*words, code=code), place.remote(*words, code=code)
    assert _asked_here(place, there.out) == here.out
    assert _asked_here(place, there.err) == here.err
    assert there.code == here.code
    return here.out


def _asked_here(place: Place, text: str) -> str:
    """Commands in hints name the server, and submit what would be run here."""
    option = f"spine --server {place.remote.address} "
    return text.replace(f"run it: {option}submit ", "run it: spine run ").replace(option, "spine ")


LISTS = [
    "runs list",
    "runs list -n 100",
    "runs list --top-level -n 3",
    "runs list --pipeline queue.day",
    "runs list --state failed",
    "runs list --state succeeded --trigger workflow",
    "runs list --trigger backfill",
    "runs list --category dependency",
    "runs list --partition hello",
    "runs list --since 1d",
    "runs list --since 2020-01-01 --until 2020-12-31",
    "runs list --pipeline no.such",
    "runs list -n 0",
    "runs stats",
    "runs stats --parts --since 2020-01-01",
    "runs stats --pipeline queue.graph",
    "backfill list",
    "backfill list -n 1",
    "backfill show last",
    "backfill show last --parts",
    "pipelines list",
    "pipelines show queue.day",
    "pipelines show queue.graph",
    f"pipelines show {DOMAIN}.refresh_week",
    f"pipelines show {DOMAIN}.backfill",
    "captures list",
    "captures list --latest",
    "captures list --week 2025-11-10 --tier OTC",
    "captures list --as-of 2020-01-01",
    "captures list -n 1",
    "rejects list",
    "rejects list --reason BLANK_SYMBOL -n 1",
    "rejects list --run last",
    "quality list",
    "quality list --failed",
    "quality list --tier T1 -n 2",
    "manifest list",
    "manifest list --week 2025-11-10 -n 3",
    "data list",
    f"data describe {DOMAIN}.venue_volume",
]


@pytest.mark.parametrize("line", LISTS)
@pytest.mark.parametrize("form", ["table", "json"])
def test_lists_are_the_same(place: Place, line: str, form: str) -> None:
    words = line.split()
    if "--since" not in words and words[:2] in (["runs", "stats"],):
        words += ["--since", "2020-01-01"]  # a time that begins now is another one each time
    if form == "json":
        words.append("--json")

    assert same(place, *words)


def test_every_run_is_shown_the_same(place: Place) -> None:
    runs = place.spine("runs", "list", "-n", "100", "--json").json()
    assert len(runs) > 50
    kinds: dict[Any, str] = {}
    for run in runs:
        item = run["item"] is not None
        kinds.setdefault((run["pipeline"], run["state"], run["trigger"], item), run["id"])
    assert len(kinds) > 12

    for (_, state, _, _), run_id in kinds.items():
        same(place, "runs", "show", run_id, "--json")
        words = ("runs", "show", run_id, "--events", "--logs")
        if state == "PENDING":  # what waits is drawn up to this moment
            here, there = place.spine(*words).out, place.remote(*words).out
            assert _without_time(here) == _without_time(_asked_here(place, there))
        else:
            same(place, *words)


def _without_time(text: str) -> str:
    return re.sub(r"[\d.]+ *s\b|[░█─ ]+", " ", text)


def test_every_backfill_is_shown_the_same(place: Place) -> None:
    for backfill in place.spine("backfill", "list", "--json").json():
        same(place, "backfill", "show", backfill["id"], "--parts")
        same(place, "backfill", "show", backfill["id"], "--json")


def test_pages_go_on_after_a_run_that_another_process_has_seen(place: Place) -> None:
    pages = []
    before: list[str] = []
    while True:
        said = same(place, "runs", "list", "-n", "7", *before)
        pages.append(said)
        following = re.search(r"--before (\S+)", said)
        if following is None:
            break
        before = ["--before", following[1]]

    assert len(pages) > 7


def test_a_run_is_followed_to_its_end(place: Place) -> None:
    for run in place.spine("runs", "list", "--top-level", "--json").json()[:4]:
        if run["state"] not in ("PENDING", "RUNNING"):
            same(place, "runs", "show", run["id"], "--follow")
            same(place, "runs", "show", run["id"], "--follow", "--json")


@pytest.mark.parametrize("form", ["table", "csv", "json"])
@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--week", "2025-11-10", "--tier", "OTC"),
        ("--symbol", "1E5"),
        ("--symbol", "NULL", "-w", "tier=OTC"),
        ("--tier", "T2"),
        ("--from", "2025-11-03", "--to", "2025-11-17", "-n", "2"),
        ("--as-of", "2020-01-01"),
        ("-n", "0"),
    ],
    ids=" ".join,
)
def test_rows_are_the_same(place: Place, words: tuple[str, ...], form: str) -> None:
    for name in ("venue_volume", "venue_share", "tier_split", "rolling_6w"):
        same(place, "data", "show", f"{DOMAIN}.{name}", *words, "-f", form)


def test_rows_are_written_the_same(place: Place, tmp_path: Path) -> None:
    for spine, name in ((place.spine, "here"), (place.remote, "there")):
        spine("data", "show", f"{DOMAIN}.venue_volume", "-o", tmp_path / f"{name}.parquet")

    assert (tmp_path / "here.parquet").read_bytes() == (tmp_path / "there.parquet").read_bytes()


@pytest.mark.parametrize(
    "line",
    [
        "runs show nothing",
        "runs show 00000000-0000-7000-8000-000000000000",
        "runs show a/b?c",
        "runs list --parent 00000000-0000-7000-8000-000000000000",
        "runs list --state lost",
        "runs retry 00000000-0000-7000-8000-000000000000",
        "runs cancel 00000000-0000-7000-8000-000000000000",
        "backfill show 00000000-0000-7000-8000-000000000000",
        "backfill show nothing",
        "backfill pause 00000000-0000-7000-8000-000000000000",
        "backfill resume last --json --no",
        "backfill create queue.say --from 2026-01-05 --to 2026-01-06",
        "backfill create queue.dya --from 2026-01-05 --to 2026-01-06",
        "backfill create queue.day --from 2026-01-06 --to 2026-01-05",
        "backfill create queue.day --from 2026-01-05 --to 2026-01-06 -p symbol=C",
        "backfill create queue.day --from 2026-01-05 --to 2026-01-06 -p no=1",
        "pipelines show queue.sya",
        "pipelines show ?",
        "data show no.such",
        f"data show {DOMAIN}.venue_share -w nothing=1",
        f"data show {DOMAIN}.venue_share -w week_start=never",
        f"data describe {DOMAIN}.venue_shares",
        "submit queue.sya",
        "submit queue.say -p txet=1",
        "submit queue.numbers -p count=many",
        "submit queue.inner --request-id mine --force",
        "captures list --week 2025-11-11",
    ],
)
def test_what_is_wrong_is_told_the_same(place: Place, line: str) -> None:
    same(place, *line.split())


def test_a_run_that_cannot_be_repeated_is_told_the_same(place: Place) -> None:
    for state in ("succeeded", "pending"):
        listed = place.spine("runs", "list", "--top-level", "--state", state, "--json").json()

        assert "error [VALIDATION]" in _err(place, "runs", "retry", listed[0]["id"])


def _err(place: Place, *words: str) -> str:
    same(place, *words)
    return place.remote(*words, code=2).err


def test_a_backfill_is_planned_the_same(place: Place) -> None:
    words = ("backfill", "create", "queue.day", "--from", "2026-01-04", "--to", "2026-01-07")

    assert "A" in same(place, *words, "--dry-run", "--all")
    same(place, *words, "--dry-run")
    same(place, *words, "--dry-run", "--json")
    same(place, *words, "--dry-run", "--only", "failed,current")


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("run queue.say", "spine submit"),
        ("worker --until-idle", "spine serve has a worker"),
        ("serve", "start it where its store"),
        ("db current", "where the server's store is"),
        ("db upgrade", "where the server's store is"),
        ("db copy --to sqlite:///x.db", "where the server's store is"),
    ],
)
def test_what_is_done_beside_a_store_only_says_so(place: Place, line: str, instead: str) -> None:
    said = place.remote(*line.split(), code=2)

    assert place.remote.address in said.err
    assert instead in said.err
    assert "leave out --server" in said.err
    assert said.out == ""


def test_the_document_of_a_run_that_is_refused_is_a_document(place: Place) -> None:
    said = place.remote("run", "queue.say", "--json", code=2)

    assert json.loads(said.out)["error"]["category"] == "VALIDATION"


def test_the_doctor_answers_with_the_same_document(place: Place) -> None:
    here = place.spine("doctor", "--json", code=None)
    there = place.remote("doctor", "--json", code=None)

    assert there.code == here.code
    assert [item["name"] for item in there.json()] == [item["name"] for item in here.json()]
    assert [set(item) for item in there.json()] == [set(item) for item in here.json()]
    assert {type(item["ok"]) for item in there.json()} == {bool}


def test_without_a_server_it_says_how_to_start_one() -> None:
    said = RemoteSpine("127.0.0.1:1")("runs", "list", code=5)

    assert "error [DEPENDENCY] no server answers at 127.0.0.1:1" in said.err
    assert "spine serve" in said.err
