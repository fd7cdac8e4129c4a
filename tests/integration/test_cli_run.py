"""``spine run`` and what it leaves: runs, captures, rejects, quality, manifest; exit codes."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from cli_spine import DOMAIN, HEADER, Spine, weekly_file

GOOD = (
    "OTC|AAA|A Inc.|OTCN ATS|OTCN|100|2|2025-12-15",
    "OTC|||ARCA ATS|ARCA|1|1|2025-12-15",
)
NAME = "finra_otc_weekly_otc_20251215.csv"
KEYS = {"status", "run_id", "pipeline", "metrics", "error", "warnings", "output"}
COUNTS = ("rows_read", "rows_accepted", "rows_rejected")


def test_a_run_prints_one_document(spine: Spine, tmp_path: Path) -> None:
    said = spine.run("refresh_week", file=weekly_file(tmp_path, NAME, *GOOD))

    document = said.json()
    assert set(document) == KEYS
    assert (document["status"], document["error"]) == ("SUCCEEDED", None)
    assert document["pipeline"] == f"{DOMAIN}.refresh_week"
    assert [document["metrics"][name] for name in COUNTS] == [2, 1, 1]
    assert (document["metrics"]["week_start"], document["metrics"]["tier"]) == (
        "2025-11-10",
        "OTC",
    )
    assert any("INSUFFICIENT_HISTORY" in text for text in document["warnings"])
    assert document["output"] == spine("runs", "show", "last", "--json").json()["output"]
    assert document["output"]


def test_a_repeat_is_recognised_and_force_captures_again(spine: Spine, tmp_path: Path) -> None:
    path = weekly_file(tmp_path, NAME, *GOOD)
    spine.run("refresh_week", file=path)

    repeat = spine.run("refresh_week", file=path).json()
    forced = spine.run("refresh_week", "--force", file=path).json()

    assert repeat["metrics"]["captures_added"] == 0
    assert "already captured" in repeat["warnings"][0]
    assert forced["metrics"]["captures_added"] == 1
    assert len(spine("captures", "list", "--json").json()) == 2


def test_people_read_a_table(spine: Spine, tmp_path: Path) -> None:
    path = weekly_file(tmp_path, NAME, *GOOD)

    said = spine("run", f"{DOMAIN}.refresh_week", "-p", f"file={path}")
    again = spine("run", f"{DOMAIN}.refresh_week", "-p", f"file={path}")

    for text in ("2025-11-10", "OTC", "CAPTURED", "venue_volume", "SUCCEEDED"):
        assert text in said.out
    assert "already captured" in again.out


def test_a_failed_run_exits_with_1_and_tells_why(spine: Spine, tmp_path: Path) -> None:
    path = weekly_file(tmp_path, NAME, GOOD[1])

    document = spine.run("refresh_week", file=path, code=1).json()
    shown = spine("run", f"{DOMAIN}.refresh_week", "-p", f"file={path}", code=1)

    assert set(document) == KEYS
    assert document["status"] == "FAILED"
    assert document["error"]["category"] == "VALIDATION"
    assert document["error"]["context"]["run"] == document["run_id"]
    assert [document["metrics"][name] for name in COUNTS] == [1, 0, 1]
    assert "error [VALIDATION]" in shown.err
    assert "next:" in shown.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((f"{DOMAIN}.refresh_week",), "missing"),
        ((f"{DOMAIN}.refresh_week", "-p", "file=x", "-p", "wek=1"), "did you mean 'week'"),
        ((f"{DOMAIN}.refresh_week", "-p", "file=x", "-p", "week=soon"), "not a date (YYYY-MM-DD)"),
        ((f"{DOMAIN}.refresh_week", "-p", "file"), "key=value"),
        ((f"{DOMAIN}.refresh_week", "-p", "=x"), "key=value"),
    ],
)
def test_wrong_usage_exits_with_2_and_leaves_no_run(
    spine: Spine, words: tuple[str, ...], said: str
) -> None:
    document = spine("run", *words, "--json", code=2).json()
    shown = spine("run", *words, code=2)

    assert set(document) == KEYS
    assert (document["status"], document["run_id"]) == ("FAILED", None)
    assert [document["metrics"][name] for name in COUNTS] == [None] * 3
    assert said in json.dumps(document["error"])
    assert said in shown.err
    assert shown.out == ""
    assert spine("runs", "list", "--json").json() == []


def test_an_unknown_name_exits_with_3_and_leaves_no_run(spine: Spine) -> None:
    words = ("run", f"{DOMAIN}.refresh_weak")

    document = spine(*words, "--json", code=3).json()
    shown = spine(*words, code=3)

    assert set(document) == KEYS
    assert "refresh_week" in document["error"]["hint"]
    assert "refresh_week" in shown.err
    assert spine("submit", *words[1:], code=3).out == ""
    assert spine("runs", "list", "--json").json() == []


@pytest.mark.parametrize(
    "words",
    [
        ("run", "x", "--no-such"),
        ("run",),
        ("no-such",),
        ("data", "shw"),
        ("runs", "list", "--limit", "many"),
        ("runs", "list", "--state", "ASLEEP"),
    ],
)
def test_unknown_words_are_wrong_usage(spine: Spine, words: tuple[str, ...]) -> None:
    said = spine(*words, code=2)

    assert said.out == ""
    assert said.err


def test_the_last_of_a_repeated_parameter_holds_and_values_may_have_signs(
    spine: Spine, tmp_path: Path
) -> None:
    path = weekly_file(tmp_path, "a=b finra_otc_20251215.csv", *GOOD)
    words = ("-p", "file=nowhere.csv", "-p", f"file={path}")

    assert spine("run", f"{DOMAIN}.refresh_week", *words, "--json").json()["status"] == "SUCCEEDED"


def test_a_backfill_shows_every_file_and_names_what_failed(spine: Spine, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    weekly_file(folder, NAME, *GOOD)
    weekly_file(folder, "finra_otc_weekly_otc_20251229.csv", *(g.replace("15", "29") for g in GOOD))
    (folder / "finra_otc_weekly_otc_20251222.csv").write_text("a|b\n1|2\n")

    said = spine("run", f"{DOMAIN}.backfill", "-p", f"files={folder}", code=1)
    document = spine.run("backfill", files=folder, code=1).json()

    assert "failed: finra_otc_weekly_otc_20251222.csv" in said.err
    assert "no data for the week of 2025-11-17" in said.out
    assert document["metrics"]["files_failed"] == 1
    assert document["metrics"]["already_captured"] == 2
    shown = spine("runs", "show", document["run_id"], "--json").json()
    assert [part["step"][-12:-4] for part in shown["parts"]] == ["20251215", "20251222", "20251229"]


# What a run leaves


def test_runs_are_listed_and_shown(there: Spine) -> None:
    listed = there("runs", "list", "--json").json()
    assert [run["state"] for run in listed] == ["SUCCEEDED"] * 3
    assert [run["id"] for run in listed] == sorted((r["id"] for r in listed), reverse=True)

    shown = there("runs", "show", listed[0]["id"], "--json").json()
    assert shown["parameters"]["file"].endswith("restated_otc_20251215.csv")
    assert shown["metrics"]["rows_changed"] == 1
    assert {edge["role"] for edge in shown["lineage"]} == {"OUTPUT"}
    text = there("runs", "show", listed[0]["id"]).out
    assert all(word in text for word in ("SUCCEEDED", "rows_read", "Lineage"))
    assert listed[0]["id"] in there("runs", "list").out


def test_runs_are_selected(there: Spine) -> None:
    def count(*words: str) -> int:
        return len(there("runs", "list", *words, "--json").json())

    assert count("--pipeline", f"{DOMAIN}.refresh_week") == 3
    assert count("--pipeline", "other") == 0
    assert count("--state", "succeeded") == 3
    assert count("--state", "FAILED") == 0
    assert count("--limit", "1") == 1
    assert count("--limit", "0") == 0
    assert count("--parent", "none") == 0


def test_an_unknown_run_is_not_there(there: Spine) -> None:
    said = there("runs", "show", "no-such-run", code=3)

    assert "no run no-such-run" in said.err
    assert said.out == ""


def test_captures_are_listed(there: Spine) -> None:
    captures = there("captures", "list", "--json").json()
    latest = there("captures", "list", "--latest", "--json").json()

    assert [(c["tier"], c["sequence"]) for c in captures] == [
        ("OTC", 2),
        ("OTC", 1),
        ("T1", 1),
    ]
    assert captures[0]["supersedes"] == captures[1]["id"]
    assert [c["id"] for c in latest] == [captures[0]["id"], captures[2]["id"]]
    assert len(there("captures", "list", "--tier", "T1", "--json").json()) == 1
    assert there("captures", "list", "--as-of", "2020-01-01", "--json").json() == []
    assert captures[0]["digest"][:12] in there("captures", "list").out


def test_rejects_are_listed_with_line_reason_and_raw_text(there: Spine) -> None:
    [reject] = there("rejects", "list", "--json").json()

    assert (reject["line"], reject["reason"]) == (7, "BLANK_SYMBOL")
    assert reject["raw"] == "OTC|||ARCA ATS|ARCA|1|1|2025-12-15"
    assert there("rejects", "list", "--reason", "ZERO_VOLUME", "--json").json() == []
    assert there("rejects", "list", "--tier", "T1").out.strip() == "nothing found"
    assert "BLANK_SYMBOL" in there("rejects", "list").out


def test_quality_is_listed(there: Spine) -> None:
    results = there("quality", "list", "--tier", "T1", "--json").json()

    checks = {item["check"]: item["status"] for item in results}
    assert checks["ROWS_ACCEPTED"] == "PASS"
    assert checks["INSUFFICIENT_HISTORY"] == "FAIL"
    assert checks["FEWER_VENUES"] == "SKIP"
    assert "INSUFFICIENT_HISTORY" in there("quality", "list").out


def test_the_manifest_is_listed(there: Spine) -> None:
    run = there("runs", "list", "--json").json()[0]["id"]
    entries = there("manifest", "list", "--run", run, "--json").json()

    assert [entry["stage"] for entry in entries] == ["CAPTURED", "NORMALIZED", "MEASURED"]
    assert [entry["rows"] for entry in entries] == [5, 5, 4]
    assert entries[-1]["grade"] == "B"
    assert "MEASURED" in there("manifest", "list").out


@pytest.mark.parametrize("kind", ["captures", "rejects", "quality", "manifest"])
def test_nothing_is_listed_where_nothing_is(spine: Spine, kind: str) -> None:
    assert spine(kind, "list", "--json").json() == []
    assert spine(kind, "list").out.strip() == "nothing found"
    assert spine(kind, "list", "--week", "2025-11-11", code=2).out == ""


# What can be run


def test_pipelines_are_listed_and_shown(spine: Spine) -> None:
    listed = {item["name"]: item for item in spine("pipelines", "list", "--json").json()}
    names = ("refresh_week", "ingest_week", "normalize_week", "measure_week", "backfill")
    assert set(listed) == {f"{DOMAIN}.{name}" for name in names}
    assert all(item["origin"] == "built in" for item in listed.values())

    shown = spine("pipelines", "show", f"{DOMAIN}.refresh_week", "--json").json()
    parameters = {item["name"]: item for item in shown["parameters"]}
    assert [parameters[n]["required"] for n in ("file", "week", "tier")] == [True, False, False]
    assert parameters["tier"]["expected"] == "one of T1, T2, OTC"
    assert all(item["description"] for item in parameters.values())
    assert "encoding" in spine("pipelines", "show", f"{DOMAIN}.refresh_week").out


def test_an_unknown_pipeline_is_not_there_and_the_nearest_is_named(spine: Spine) -> None:
    said = spine("pipelines", "show", f"{DOMAIN}.refresh_weeks", code=3)

    assert f"did you mean {DOMAIN}.refresh_week" in said.err


def test_looking_at_pipelines_touches_nothing(spine: Spine, tmp_path: Path) -> None:
    spine("pipelines", "list")
    spine("pipelines", "show", f"{DOMAIN}.backfill")

    assert list(tmp_path.iterdir()) == []


# The store


def test_the_schema_is_created_once_and_told(spine: Spine) -> None:
    assert spine("db", "current", "--json", code=1).json()["revision"] is None

    made = spine("db", "upgrade", "--json").json()
    again = spine("db", "upgrade", "--json").json()
    now = spine("db", "current", "--json").json()

    assert made["current"] is again["current"] is now["current"] is True
    assert made["revision"] == now["expected_revision"]
    assert made["revision"] in spine("db", "current").out


def test_the_doctor_finds_a_fresh_folder_in_order_and_leaves_it_so(
    spine: Spine, tmp_path: Path
) -> None:
    findings = spine("doctor", "--json").json()

    assert {item["name"] for item in findings} >= {"version", "home", "database", "archive"}
    assert all(item["ok"] for item in findings)
    assert not (tmp_path / ".spine").exists()
    assert "ok" in spine("doctor").out


def test_the_doctor_tells_settings_as_they_are_written(
    spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {
        "client_roles": "nightly=OPERATOR,ann=VIEWER",
        "file_roots": "/data/in,/data/more",
        "home": "elsewhere",
        "pools": "default,loads=2",
        "upload_limit": "7",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"SPINE_{name.upper()}", value)

    findings = {item["name"]: item for item in spine("doctor", "--json").json()}

    told = ", ".join(f"{name}={value}" for name, value in given.items())
    assert findings["settings"]["detail"] == told


def test_the_doctor_names_a_damaged_database(spine: Spine, tmp_path: Path) -> None:
    spine("db", "upgrade")
    (tmp_path / ".spine" / "spine.db").write_bytes(b"no database at all" * 1000)
    for side in (tmp_path / ".spine").glob("spine.db-*"):
        side.unlink()

    findings = {item["name"]: item for item in spine("doctor", "--json", code=1).json()}

    assert findings["database"]["ok"] is False
    assert "spine.db" in findings["database"]["detail"]
    for words in (("db", "current"), ("runs", "list"), ("data", "show", f"{DOMAIN}.liquidity")):
        said = spine(*words, code=None)
        assert said.code in (1, 6)
        assert "error [" in said.err
        assert said.out == ""


def test_another_schema_is_told_everywhere_and_nothing_is_written(
    spine: Spine, tmp_path: Path
) -> None:
    spine("db", "upgrade")
    database = sqlite3.connect(tmp_path / ".spine" / "spine.db")
    [table] = [
        name
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        if "version" in name
    ]
    database.execute(f"UPDATE {table} SET version_num = 'from-the-future'")
    database.commit()
    database.close()

    findings = {item["name"]: item for item in spine("doctor", "--json", code=1).json()}
    path = weekly_file(tmp_path, NAME, *GOOD)
    document = spine.run("refresh_week", file=path, code=6).json()

    assert findings["schema"]["ok"] is False
    assert "from-the-future" in findings["schema"]["detail"]
    assert document["error"]["category"] == "CONFIGURATION"
    assert spine("db", "current", "--json", code=1).json()["current"] is False


def test_the_home_folder_and_the_url_can_be_chosen(
    spine: Spine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPINE_HOME", str(tmp_path / "elsewhere"))
    spine.run("refresh_week", file=weekly_file(tmp_path, NAME, *GOOD))
    assert (tmp_path / "elsewhere" / "spine.db").is_file()

    monkeypatch.setenv("SPINE_DATABASE_URL", f"sqlite:///{tmp_path / 'other.db'}")
    assert spine("runs", "list", "--json").json() == []
    assert (tmp_path / "other.db").is_file()
    assert not (tmp_path / ".spine").exists()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SPINE_LOG_LEVEL", "LOUD", "log_level"),
        ("SPINE_DATABASE_TIMEOUT", "soon", "database_timeout"),
        ("SPINE_DATABASE_URL", "oracle://me:hunter22@host/db", "oracle"),
        ("SPINE_CONFIG", "nowhere.toml", "nowhere.toml"),
    ],
)
def test_wrong_settings_are_named(
    spine: Spine, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)

    answer = spine("runs", "list", code=6)
    document = spine("run", f"{DOMAIN}.backfill", "-p", "files=x", "--json", code=6).json()

    assert said in answer.err
    assert answer.out == ""
    assert document["error"]["category"] == "CONFIGURATION"
    assert "hunter22" not in answer.err + json.dumps(document)


def test_a_settings_file_in_the_working_folder_holds(spine: Spine, tmp_path: Path) -> None:
    (tmp_path / "spine.toml").write_text('home = "from-toml"\n')
    spine("db", "upgrade")
    assert (tmp_path / "from-toml" / "spine.db").is_file()

    (tmp_path / "spine.toml").write_text('hoem = "x"\n')
    assert "hoem" in spine("db", "upgrade", code=6).err


def test_a_file_of_header_only_is_a_failed_run(spine: Spine, tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_text(HEADER)

    document = spine.run("refresh_week", file=path, code=1).json()

    assert document["error"]["category"] == "SOURCE"
    assert spine("runs", "list", "--json").json()[0]["state"] == "FAILED"
