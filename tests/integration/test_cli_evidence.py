"""What was recorded, as programs read it: flat documents; and how a run is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli_spine import DOMAIN, Spine, weekly_file

PARTITION = {"domain": DOMAIN, "week_start": "2025-11-10"}
FIELDS = {
    "captures": {
        "id",
        "digest",
        "captured_at",
        "source_updated_on",
        "source_name",
        "source_type",
        "source_options",
        "run",
        "bytes",
        "rows_read",
        "rows_accepted",
        "rows_rejected",
        "sequence",
        "supersedes",
    },
    "rejects": {"capture", "line", "reason", "detail", "raw"},
    "quality": {
        "capture",
        "run",
        "checked_at",
        "check",
        "status",
        "severity",
        "message",
        "observed",
        "expected",
    },
    "manifest": {"capture", "stage", "run", "reached_at", "rows", "grade", "blocked"},
}


@pytest.mark.parametrize("kind", FIELDS)
def test_documents_are_flat_and_named_as_in_the_datasets(there: Spine, kind: str) -> None:
    found = there(kind, "list", "--json").json()

    assert found
    for document in found:
        assert set(document) == FIELDS[kind] | {*PARTITION, "tier"}
        assert document.items() >= PARTITION.items()
        assert document["tier"] in ("T1", "OTC")
        nested = {name for name, value in document.items() if isinstance(value, dict | list)}
        assert nested <= {"source_options"}


def test_the_lineage_of_a_run_is_flat_as_well(there: Spine) -> None:
    shown = there("runs", "show", "last", "--json").json()

    for edge in shown["lineage"]:
        assert set(edge) == {"run", "capture", "role", *PARTITION, "tier"}
        assert edge["run"] == shown["id"]


def test_the_fields_of_runs_stay_what_they_are(there: Spine) -> None:
    [run] = there("runs", "list", "-n", "1", "--json").json()

    assert set(run) == {
        "id",
        "pipeline",
        "parameters",
        "state",
        "created_at",
        "started_at",
        "finished_at",
        "parent",
        "step",
        "metrics",
        "warnings",
        "error",
        "duration",
        # What was added since; nothing is ever taken away.
        "attempt",
        "backfill",
        "cancel_requested_at",
        "force",
        "item",
        "output",
        "owner",
        "partition",
        "retry_of",
        "trigger",
    }


@pytest.mark.parametrize(
    "words",
    [
        ("runs", "list"),
        ("captures", "list"),
        ("rejects", "list"),
        ("quality", "list"),
        ("quality", "list", "--failed"),
        ("manifest", "list"),
        ("data", "show", f"{DOMAIN}.liquidity"),
    ],
    ids=" ".join,
)
def test_an_empty_list_is_worded_one_way(spine: Spine, words: tuple[str, ...]) -> None:
    asked = ("-f", "json") if words[0] == "data" else ("--json",)

    assert spine(*words).out == "nothing found\n"
    assert spine(*words, *asked).json() == []


def test_only_failed_checks_are_listed_when_they_are_asked_for(there: Spine) -> None:
    every = there("quality", "list", "-n", "1000", "--json").json()
    failed = there("quality", "list", "--failed", "-n", "1000", "--json").json()
    first = there("quality", "list", "--failed", "-n", "1", "--json").json()

    assert {item["status"] for item in every} >= {"PASS", "FAIL"}
    assert failed == [item for item in every if item["status"] == "FAIL"]
    assert first == failed[:1]
    assert every.index(first[0]) > 0  # the limit is not used up by what passed
    text = there("quality", "list", "--failed").out
    assert "PASS" not in text


# Naming a run


def ids(spine: Spine) -> list[str]:
    return [run["id"] for run in spine("runs", "list", "--json").json()]


def shown(spine: Spine, name: str) -> Any:
    return spine("runs", "show", name, "--json").json()["id"]


def test_the_last_run_is_shown_by_that_name(there: Spine) -> None:
    assert shown(there, "last") == ids(there)[0]


def test_a_run_is_found_by_the_end_or_a_unique_beginning_of_its_id(there: Spine) -> None:
    newest, *older = ids(there)
    unique = next(n for n in range(6, 36) if not any(o.startswith(newest[:n]) for o in older))

    assert shown(there, newest[-6:]) == newest
    assert shown(there, newest[:unique]) == newest
    assert shown(there, newest) == newest
    assert there("runs", "show", newest[-5:], code=3).err.startswith("error [VALIDATION]")


def test_several_runs_that_match_are_named(there: Spine) -> None:
    every = ids(there)

    said = there("runs", "show", every[0][:6], code=2)

    assert all(run in said.err for run in every)
    assert f"of {len(every)} runs" in said.err
    assert said.out == ""


@pytest.mark.parametrize("name", ["nothing-like-it", "ffffffff", "x" * 36])
def test_a_run_that_is_not_found_points_to_the_list(there: Spine, name: str) -> None:
    said = there("runs", "show", name, code=3)

    assert f"no run {name}" in said.err
    assert "next: spine runs list" in said.err


def test_there_is_no_last_run_before_the_first(spine: Spine) -> None:
    assert "nothing was run yet" in spine("runs", "show", "last", code=3).err


def test_the_last_run_is_the_whole_and_not_its_last_part(spine: Spine, tmp_path: Path) -> None:
    row = "OTC|AAA|A Inc.|OTCN ATS|OTCN|1|1|2025-12-15"
    weekly_file(tmp_path, "otc_20251215.csv", row)
    document = spine.run("backfill", files="otc*").json()

    assert shown(spine, "last") == document["run_id"]
    assert len(spine("runs", "list", "--parent", "last", "--json").json()) == 1


@pytest.mark.parametrize("kind", ["quality", "manifest", "rejects"])
def test_evidence_takes_the_short_names_of_runs(there: Spine, kind: str) -> None:
    first = ids(there)[-1]

    whole = there(kind, "list", "--run", first, "--json").json()

    assert whole
    assert there(kind, "list", "--run", first[-8:], "--json").json() == whole
    assert there(kind, "list", "--run", "no-such-run", "--json").json() == []


# Parameters without -p


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("file=x.csv",), "write -p file=x.csv"),
        (("-p", "tier=OTC", "file=x.csv"), "write -p file=x.csv"),
        (("x.csv", "week=2025-11-10"), "write -p week=2025-11-10"),
        (("x.csv",), "write -p key=value"),
    ],
)
def test_a_forgotten_p_is_told_what_to_write(
    spine: Spine, words: tuple[str, ...], said: str
) -> None:
    text = spine("run", f"{DOMAIN}.refresh_week", *words, code=2)
    document = spine("run", f"{DOMAIN}.refresh_week", *words, "--json", code=2).json()

    assert said in text.err
    assert text.out == ""
    assert document["error"]["hint"] == said
    assert document["run_id"] is None
