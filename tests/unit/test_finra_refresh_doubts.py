"""What a refresh takes without complaint it still tells, where something speaks against it."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from finra_refresh_house import DOMAIN, WEEK, FinraHouse, Row, week

from market_spine import DatasetQuery, RunContext, ValidationError, pipeline

A: list[Row] = [("AAA", "OTCN", "100", 2)]
B: list[Row] = [("AAA", "OTCN", "101", 2)]


def test_a_given_week_that_the_dates_contradict_is_told(house: FinraHouse) -> None:
    path = house.file(A, WEEK)

    outcome = house.run("refresh_week", file=str(path), week=week(-1))

    assert outcome.result.ok
    [doubt] = [text for text in outcome.result.warnings if "was given" in text]
    assert f"week={week(-1)} was given, but the file's dates say {WEEK}" in doubt


@pytest.mark.parametrize("given", [None, WEEK])
def test_a_week_that_the_dates_confirm_is_not_in_doubt(house: FinraHouse, given: Any) -> None:
    path = house.file(A, WEEK)
    parameters = {} if given is None else {"week": given}

    outcome = house.run("refresh_week", file=str(path), **parameters)

    assert not any("was given" in text for text in outcome.result.warnings)


def test_recognising_a_superseded_capture_says_that_reads_answer_from_another(
    house: FinraHouse,
) -> None:
    house.refresh(A)
    house.refresh(B)

    again = house.refresh(A)

    assert any("reads answer from no. 2" in text for text in again.result.warnings)
    assert house.frame("venue_volume")["shares"].cast(int).to_list() == [101]
    house.refresh(A, force=True)
    assert house.frame("venue_volume")["shares"].cast(int).to_list() == [100]


def test_recognising_the_current_capture_says_nothing_of_others(house: FinraHouse) -> None:
    house.refresh(A)
    again = house.refresh(A)
    assert not any("reads answer" in text for text in again.result.warnings)


def test_a_backfill_bound_that_is_no_monday_is_called_by_its_own_name(house: FinraHouse) -> None:
    house.file(A)
    outcome = house.run("backfill", files=str(house.folder), first="2025-11-18")
    error = outcome.result.error
    assert error is not None
    assert "first=2025-11-17" in str(error)


def test_a_pipeline_reads_datasets_through_its_context(house: FinraHouse) -> None:
    house.refresh(A)
    house.refresh(B, week(1))
    seen: list[pl.DataFrame] = []

    @pipeline("tests.reader")
    def reader(context: RunContext) -> None:
        seen.append(context.dataset(f"{DOMAIN}.venue_volume"))
        seen.append(context.dataset(f"{DOMAIN}.venue_volume", DatasetQuery(first_period=week(1))))
        with pytest.raises(ValidationError, match="no dataset named"):
            context.dataset("nothing.of_the_kind")

    house.dispatch.catalog.pipelines.add(reader)
    outcome = house.dispatch("tests.reader")

    assert outcome.result.ok, outcome.result.error
    assert [frame["shares"].cast(int).to_list() for frame in seen] == [[101, 100], [101]]
