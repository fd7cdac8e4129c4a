"""What was known at an earlier time: rows, captures, stages, rejects, quality and lineage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from api_calls import Api
from api_claims import covers
from api_data import DOMAIN, bring, new_week, of_week, query, weekly_file
from api_runs import state
from api_values import date_of, day, stamp

from market_spine.testing.finra_sample import restate
from market_spine.v1.capture_pb2 import (
    STAGE_CAPTURED,
    STAGE_MEASURED,
    STAGE_NORMALIZED,
    QualityResult,
)
from market_spine.v1.run_pb2 import Run
from market_spine.v1.run_service_pb2 import LineageEdge


@dataclass
class Revised:
    """A week that was captured twice: the runs, and the captures they made."""

    week: date
    first: Run
    second: Run
    old: Any
    new: Any

    @property
    def between(self) -> dict[str, Any]:
        """The field for a time at which only the first was known."""
        return {"as_of": self.first.end_time}

    @property
    def before(self) -> dict[str, Any]:
        moment = self.first.start_time.ToDatetime(tzinfo=UTC) - timedelta(minutes=1)
        return {"as_of": stamp(moment)}

    @property
    def partitions(self) -> dict[str, Any]:
        return {"domain": DOMAIN, "period": day(self.week), "segment": "OTC"}


@pytest.fixture(scope="module")
def revised(target: Api, tmp_path_factory: pytest.TempPathFactory) -> Revised:
    week = new_week()
    folder = tmp_path_factory.mktemp("revised")
    path = weekly_file(folder, week)
    first = bring(target, path)
    second = bring(target, restate(path, folder / "restated"))
    new, old = target.call("DatasetService.ListCaptures", **of_week(week)).captures
    return Revised(week, first, second, old, new)


def test_captures_tell_what_came_when(api: Api, revised: Revised) -> None:
    old, new = revised.old, revised.new

    assert (old.run, new.run) == (revised.first.name, revised.second.name)
    assert (old.sequence, new.sequence) == (1, 2)
    assert (old.supersedes, new.supersedes) == ("", old.name)
    assert old.digest != new.digest
    assert old.name.startswith("captures/")
    for capture in (old, new):
        assert capture.partition.domain == DOMAIN
        assert (date_of(capture.partition.period), capture.partition.segment) == (
            revised.week,
            "OTC",
        )
        assert capture.rows_read == capture.rows_accepted + capture.rows_rejected
        assert capture.rows_rejected == 1
        assert capture.bytes > 0
        assert capture.source_name.startswith("finra_otc_weekly_otc_")
        assert capture.source_type == "file"
    assert old.capture_time.ToDatetime() < new.capture_time.ToDatetime()
    assert date_of(old.source_update_date) < date_of(new.source_update_date)


def captures(api: Api, revised: Revised, **fields: Any) -> list[str]:
    answer = api.call("DatasetService.ListCaptures", **of_week(revised.week), **fields)
    return [capture.name for capture in answer.captures]


@covers("DatasetService.ListCaptures")
def test_captures_are_kept_by_every_field(api: Api, revised: Revised) -> None:
    old, new = revised.old.name, revised.new.name

    assert captures(api, revised) == [new, old]
    assert captures(api, revised, **revised.between) == [old]
    assert captures(api, revised, as_of=revised.old.capture_time) == [old]
    assert captures(api, revised, **revised.before) == []
    assert captures(api, revised, latest_only=True) == [new]
    assert captures(api, revised, latest_only=True, **revised.between) == [old]
    assert captures(api, revised, digest=revised.old.digest) == [old]
    assert captures(api, revised, digest="0" * 64) == []
    assert captures(api, revised, domain=DOMAIN, segment="OTC") == [new, old]
    assert captures(api, revised, segment="T1") == []
    assert captures(api, revised, domain="nothing") == []
    for stage in (STAGE_CAPTURED, STAGE_NORMALIZED, STAGE_MEASURED):
        assert captures(api, revised, stage=stage) == [new, old]


@covers("DatasetService.ListCaptures", "INVALID_ARGUMENT")
def test_a_stage_that_is_none_is_refused(api: Api) -> None:
    for number in (4, -1, 2**31 - 1):
        refused = api.refusal("DatasetService.ListCaptures", stage=number)
        assert (refused.code, refused.field) == ("INVALID_ARGUMENT", "stage")


@covers("DatasetService.Query")
def test_rows_are_those_that_were_known(api: Api, revised: Revised) -> None:
    asked = of_week(revised.week)
    for name in ("venue_volume", "symbol_summary", "venue_share", "research_snapshot"):
        now = query(api, name, **asked)
        then = query(api, name, **asked, **revised.between)
        assert not now.equals(then), f"{name} was not restated"
        assert query(api, name, **asked, **revised.before).height == 0
        later = stamp(datetime.now(UTC) + timedelta(days=400))
        assert query(api, name, **asked, as_of=later).equals(now)
    volumes = query(api, "venue_volume", **asked, **revised.between)
    assert volumes.height == revised.old.rows_accepted
    assert "LATEQ" not in volumes["symbol"]
    assert "LATEQ" in query(api, "venue_volume", **asked)["symbol"]


@covers("DatasetService.ListManifestEntries")
def test_stages_are_those_that_were_reached(api: Api, revised: Revised) -> None:
    def entries(**fields: Any) -> list[Any]:
        method = "DatasetService.ListManifestEntries"
        asked = {"partitions": revised.partitions, **fields}
        return list(api.call(method, **asked).manifest_entries)

    everything = entries()
    assert [entry.capture for entry in everything] == [revised.new.name] * 3 + (
        [revised.old.name] * 3
    )
    assert sorted(entry.stage for entry in everything[3:]) == [
        STAGE_CAPTURED,
        STAGE_NORMALIZED,
        STAGE_MEASURED,
    ]
    assert entries(**revised.between) == everything[3:]
    assert entries(**revised.before) == []
    assert entries(partitions={"run": revised.second.name}) == everything[:3]
    assert entries(partitions={"capture": revised.old.name}) == everything[3:]
    measured = next(entry for entry in everything if entry.stage == STAGE_MEASURED)
    assert measured.grade in "ABCDF"
    assert not measured.blocked
    assert {entry.run for entry in everything[:3]} == {revised.second.name}


@covers("DatasetService.ListRejects")
def test_rejects_are_those_of_what_was_captured(api: Api, revised: Revised) -> None:
    def rejects(**fields: Any) -> list[Any]:
        asked = {"partitions": revised.partitions, **fields}
        return list(api.call("DatasetService.ListRejects", **asked).rejects)

    new, old = rejects()
    assert (new.capture, old.capture) == (revised.new.name, revised.old.name)
    assert (old.reason, old.line) == ("BLANK_SYMBOL", 2)
    assert old.raw.startswith("OTC|||")
    assert rejects(**revised.between) == [old]
    assert rejects(**revised.before) == []
    assert rejects(reason="BLANK_SYMBOL") == [new, old]
    assert rejects(reason="SOMETHING_ELSE") == []
    assert rejects(partitions={"capture": revised.old.name}) == [old]
    assert rejects(partitions={"run": revised.second.name}) == [new]


@covers("DatasetService.ListQualityResults")
def test_outcomes_of_checks_are_those_that_were_noted(api: Api, revised: Revised) -> None:
    def results(**fields: Any) -> list[Any]:
        asked = {"partitions": revised.partitions, "page_size": 1000, **fields}
        return list(api.call("DatasetService.ListQualityResults", **asked).quality_results)

    everything = results()
    of_old = [item for item in everything if item.capture == revised.old.name]
    assert {item.capture for item in everything} == {revised.old.name, revised.new.name}
    assert results(**revised.between) == of_old
    assert results(**revised.before) == []
    assert results(partitions={"run": revised.first.name}) == of_old
    for item in everything:
        assert item.status != QualityResult.STATUS_UNSPECIFIED
        assert item.severity != QualityResult.SEVERITY_UNSPECIFIED
        assert item.check
        assert item.message


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(f"DatasetService.{name}", marks=covers(f"DatasetService.{name}", code))
        for name in ("ListManifestEntries", "ListRejects", "ListQualityResults")
        for code in ("INVALID_ARGUMENT",)
    ],
)
def test_a_choice_of_partitions_that_cannot_be_is_refused(api: Api, method: str) -> None:
    for fields, field in [
        ({"partitions": {"run": "0198c5e2"}}, "partitions.run"),
        ({"partitions": {"run": "runs/"}}, "partitions.run"),
        ({"partitions": {"capture": "runs/0198c5e2"}}, "partitions.capture"),
        ({"partitions": {"period": {"year": 2025, "month": 13, "day": 1}}}, None),
        ({"as_of": {"seconds": -(2**62)}}, "as_of"),
    ]:
        refused = api.refusal(method, **fields)
        assert refused.code == "INVALID_ARGUMENT", (fields, refused)
        assert field in (None, refused.field)


@covers("RunService.ListRunLineage")
def test_runs_tell_what_they_read_and_wrote(api: Api, revised: Revised) -> None:
    answer = api.call("RunService.ListRunLineage", parent=revised.second.name, role="viewer")

    edges = {(edge.capture, edge.role) for edge in answer.edges}
    assert (revised.new.name, LineageEdge.ROLE_OUTPUT) in edges
    for edge in answer.edges:
        assert edge.run == revised.second.name
        assert edge.domain == DOMAIN
        assert edge.partition.endswith("/OTC")


@covers("RunService.ListRunLineage", "NOT_FOUND")
def test_a_run_that_is_not_there_has_no_lineage(api: Api) -> None:
    refused = api.refusal("RunService.ListRunLineage", parent="runs/nothing")

    assert (refused.code, refused.resource) == ("NOT_FOUND", "runs/nothing")


def test_the_same_file_again_is_recognised(api: Api, revised: Revised, tmp_path: Any) -> None:
    """Without force: nothing is captured, and the run says so."""
    from api_data import REFRESH, uploaded
    from api_runs import ended

    path = restate(weekly_file(tmp_path, revised.week), tmp_path / "restated")
    before = captures(api, revised)

    run = api.send("DatasetService.UploadFile", uploaded(path.read_bytes(), path.name, REFRESH)).run

    done = ended(api, run.name)
    assert state(done) == "SUCCEEDED"
    assert any("already captured" in warning for warning in done.warnings), done.warnings
    assert captures(api, revised) == before
