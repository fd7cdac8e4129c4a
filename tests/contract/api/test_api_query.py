"""Rows of datasets as Arrow: which, which columns, how many, and exactly."""

from __future__ import annotations

import io
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from api_calls import Api
from api_claims import covers
from api_data import DOMAIN, REFRESH, bring, new_week, of_week, query, uploaded, weekly_file
from api_runs import ended, state
from api_values import day

from market_spine.domain.finra_otc.weeks import Tier
from market_spine.testing.finra_sample import HEADER

VENUES = f"datasets/{DOMAIN}.venue_volume"


@pytest.fixture(scope="module")
def weeks(target: Api, tmp_path_factory: pytest.TempPathFactory) -> list[date]:
    """Two weeks of OTC, the first also of T1."""
    first, second = new_week(), new_week()
    folder = tmp_path_factory.mktemp("query")
    bring(target, weekly_file(folder, first))
    bring(target, weekly_file(folder, first, tier=Tier.T1))
    bring(target, weekly_file(folder, second))
    return [first, second]


def volume(api: Api, **fields: Any) -> pl.DataFrame:
    return query(api, "venue_volume", **fields)


@covers("DatasetService.Query")
def test_rows_are_those_that_are_asked_for_newest_period_first(api: Api, weeks: list[date]) -> None:
    first, second = weeks
    between = {"first_period": day(first), "last_period": day(second)}

    both = volume(api, **between)

    assert both["week_start"].unique(maintain_order=True).to_list() == [second, first]
    assert set(both["tier"]) == {"OTC", "T1"}
    assert volume(api, **of_week(first)).height + volume(api, **of_week(second)).height == (
        both.height
    )
    assert volume(api, **between, segment="T1").equals(both.filter(pl.col("tier") == "T1"))
    assert volume(api, **between, equals={"tier": "T1"}).equals(both.filter(pl.col("tier") == "T1"))
    assert volume(api, **of_week(first - timedelta(days=1))).height == 0
    assert volume(api, first_period=day(second), last_period=day(first)).height == 0


def test_only_the_symbols_and_columns_that_are_asked_for(api: Api, weeks: list[date]) -> None:
    everything = volume(api, **of_week(weeks[0]))
    symbols = everything["symbol"].unique(maintain_order=True).to_list()

    for chosen in (symbols[:1], symbols[1:4], [*symbols[:2], "NO SUCH"], ["NO SUCH"]):
        found = volume(api, **of_week(weeks[0]), symbols=chosen)
        assert found.equals(everything.filter(pl.col("symbol").is_in(chosen))), chosen
    columns = ["shares", "symbol", "week_start"]
    assert volume(api, **of_week(weeks[0]), columns=columns).equals(everything.select(columns))
    # What is compared need not be shown.
    one = volume(api, **of_week(weeks[0]), columns=["shares"], symbols=symbols[:1])
    assert one.equals(everything.filter(pl.col("symbol") == symbols[0]).select("shares"))


def test_values_are_compared_as_the_type_of_their_column(api: Api, weeks: list[date]) -> None:
    everything = volume(api, **of_week(weeks[0]))
    row = everything.row(3, named=True)

    for column, text in {
        "shares": str(row["shares"]),
        "trades": str(row["trades"]),
        "week_start": weeks[0].isoformat(),
        "mpid": row["mpid"],
        "last_update_date": row["last_update_date"].isoformat(),
    }.items():
        found = volume(api, **of_week(weeks[0]), equals={column: text})
        assert found.equals(everything.filter(pl.col(column) == row[column])), column
        assert found.height
    both = {"mpid": row["mpid"], "symbol": row["symbol"]}
    [only] = volume(api, **of_week(weeks[0]), equals=both).rows(named=True)
    assert only == row


@pytest.mark.parametrize("limit", [0, 1, 7, 10_000, 2**63 - 1])
def test_a_limit_takes_the_first_rows(api: Api, weeks: list[date], limit: int) -> None:
    everything = volume(api, **of_week(weeks[0]))

    assert volume(api, **of_week(weeks[0]), limit=limit).equals(everything.head(limit))


def test_an_answer_without_rows_has_the_schema(api: Api, weeks: list[date]) -> None:
    full = volume(api, **of_week(weeks[0]))
    never = of_week(date(1901, 1, 7))

    empty = volume(api, **never)

    assert (empty.height, empty.schema) == (0, full.schema)
    narrow = volume(api, **never, columns=["trades", "mpid"])
    assert narrow.schema == full.select("trades", "mpid").schema
    assert volume(api, **of_week(weeks[0]), limit=0).schema == full.schema


def test_every_dataset_answers_with_the_schema_that_it_tells(api: Api, weeks: list[date]) -> None:
    for dataset in api.call("DatasetService.ListDatasets", page_size=1000).datasets:
        if dataset.domain != DOMAIN:
            continue
        name = dataset.name.removeprefix(f"datasets/{DOMAIN}.")
        answer = query(api, name, **of_week(weeks[0]))
        assert answer.columns == [column.name for column in dataset.columns]
        told = [column.type for column in dataset.columns]
        assert [str(item) for item in answer.dtypes] == told, dataset.name
        key = answer.select(list(dataset.key))
        assert key.unique().height == answer.height, f"{dataset.name} repeats a key"


@pytest.mark.parametrize("compression", [0, 1, 2, 3])
def test_every_compression_holds_the_same_rows(
    api: Api, weeks: list[date], compression: int
) -> None:
    asked = of_week(weeks[0])

    assert volume(api, **asked, compression=compression).equals(volume(api, **asked))


def test_decimals_are_exact(api: Api, tmp_path: Path) -> None:
    week = new_week()
    shares = {"AAA": "123456789012.123456", "BBB": "0.000001", "CCC": "90071992547.409931"}
    like = weekly_file(tmp_path, week).read_text().splitlines()[-1].split("|")
    rows = ["|".join([like[0], symbol, "Exact", *like[3:5], told, "1", like[7]])
            for symbol, told in shares.items()]  # fmt: skip
    content = "\n".join([HEADER, *rows, ""]).encode()
    run = api.send(
        "DatasetService.UploadFile",
        uploaded(content, weekly_file(tmp_path, week).name, REFRESH, force=True),
    ).run
    done = ended(api, run.name)
    found = volume(api, **of_week(week), columns=["symbol", "shares"])
    if state(done) != "SUCCEEDED":
        pytest.fail(f"{done.error}")

    assert found.schema["shares"] == pl.Decimal(18, 6)
    told = {symbol: Decimal(text) for symbol, text in shares.items()}
    assert dict(found.rows()) == told


@covers("DatasetService.Query", "INVALID_ARGUMENT", "NOT_FOUND")
def test_what_cannot_be_asked_for_is_refused(api: Api, weeks: list[date]) -> None:
    asked = {"dataset": VENUES, **of_week(weeks[0])}
    refusals: list[tuple[dict[str, Any], str]] = [
        ({"dataset": "datasets/nothing"}, "NOT_FOUND"),
        ({"dataset": f"{DOMAIN}.venue_volume"}, "INVALID_ARGUMENT"),
        ({"dataset": ""}, "INVALID_ARGUMENT"),
        ({"columns": ["nothing"]}, "INVALID_ARGUMENT"),
        ({"columns": ["mpid", "mpid"]}, "INVALID_ARGUMENT"),
        ({"columns": [""]}, "INVALID_ARGUMENT"),
        ({"columns": ["mpid\x00"]}, "INVALID_ARGUMENT"),
        ({"equals": {"nothing": "1"}}, "INVALID_ARGUMENT"),
        ({"equals": {"trades": "many"}}, "INVALID_ARGUMENT"),
        ({"equals": {"trades": "1.5"}}, "INVALID_ARGUMENT"),
        ({"equals": {"week_start": "2025-13-01"}}, "INVALID_ARGUMENT"),
        ({"limit": -1}, "INVALID_ARGUMENT"),
        ({"limit": -(2**63)}, "INVALID_ARGUMENT"),
        ({"symbols": ["A"] * 1001}, "INVALID_ARGUMENT"),
        ({"compression": 4}, "INVALID_ARGUMENT"),
        ({"compression": -1}, "INVALID_ARGUMENT"),
        ({"first_period": {"year": 2025}}, "INVALID_ARGUMENT"),
        ({"first_period": {"year": 2025, "month": 2, "day": 30}}, "INVALID_ARGUMENT"),
        ({"last_period": {"year": 10_000, "month": 1, "day": 1}}, "INVALID_ARGUMENT"),
        ({"as_of": {"seconds": 2**62}}, "INVALID_ARGUMENT"),
        ({"as_of": {"nanos": -1}}, "INVALID_ARGUMENT"),
    ]
    for fields, code in refusals:
        refused = api.refusal("DatasetService.Query", **{**asked, **fields})
        assert refused.code == code, (fields, refused)
        assert refused.details["ErrorInfo"].reason == "VALIDATION"


def test_a_dataset_without_symbols_or_tiers_says_so(api: Api) -> None:
    for name, fields in [("venue_share", {"symbols": ["A"]}), ("tier_split", {"segment": "OTC"})]:
        refused = api.refusal("DatasetService.Query", dataset=f"datasets/{DOMAIN}.{name}", **fields)
        assert refused.code == "INVALID_ARGUMENT", (name, refused)


def test_many_rows_come_in_messages_of_about_a_mebibyte(api: Api, tmp_path: Path) -> None:
    week = new_week()
    bring(api, weekly_file(tmp_path, week, rows=12_000))

    answers = api.call("DatasetService.Query", dataset=VENUES, **of_week(week))

    assert len(answers) > 1
    assert max(len(answer.arrow) for answer in answers) < 3 * 2**20
    for answer in answers:
        assert pl.read_ipc_stream(io.BytesIO(answer.arrow)).height == answer.rows > 0
    limited = api.call("DatasetService.Query", dataset=VENUES, **of_week(week), limit=5000)
    assert sum(answer.rows for answer in limited) == 5000


def test_a_reader_that_leaves_holds_nothing(api: Api, weeks: list[date]) -> None:
    """Far more queries than may be open at once are begun and left after their first message."""
    for _ in range(20):
        answers = api.stream("DatasetService.Query", dataset=VENUES, **of_week(weeks[0]))
        assert next(answers).rows
        answers.close()

    assert volume(api, **of_week(weeks[0])).height
