"""The limits and status codes in docs/grpc.md are those of the server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from market_spine.adapters.inbound.grpc import (
    backfill_service,
    dataset_service,
    filters,
    health,
    paging,
    query_stream,
    run_watching,
    sending,
    server,
    statuses,
    values,
)
from market_spine.application import bring_file, submissions
from market_spine.application.access import token_cache
from market_spine.bootstrap.settings import Settings
from market_spine.domain.errors import Category

PAGE = (Path(__file__).parents[2] / "docs" / "grpc.md").read_text()
OPTIONS = dict(server._OPTIONS)
MEBIBYTE = 1024 * 1024
LIMITS = {
    "calls in flight": (
        f"{OPTIONS['grpc.max_concurrent_streams']} a connection",
        f"{server._MOST_CALLS:,} in all",
    ),
    "executed at once": (f"{server._THREADS}, each in a thread",),
    "a request": (
        f"{OPTIONS['grpc.max_receive_message_length'] // MEBIBYTE} MiB",
        f"nested {values._DEEPEST_VALUE} deep",
    ),
    "a page": (
        f"{paging.DEFAULT_PAGE_SIZE} items unless",
        f"{paging.LARGEST_PAGE_SIZE:,} at most",
        f"about {paging._PAGE_BYTES // MEBIBYTE} MiB",
        f"a backfill {backfill_service._SURVEY_PAGE:,}",
    ),
    "a filter": (f"{filters.MOST_BYTES:,} bytes", f"{filters.MOST_COMPARISONS} comparisons"),
    "`request_id`": (f"{submissions._LONGEST_ID} bytes",),
    "`Query`": (
        f"{query_stream.MOST_QUERIES} at once",
        f"waits {query_stream.PATIENCE:.0f} s",
        f"{query_stream.MOST_OF_ONE} of one caller",
        f"{query_stream.MOST_SYMBOLS:,} symbols",
    ),
    "`WatchRun`": (
        f"looks {1 / run_watching.PAUSE:.0f} times a second",
        f"{run_watching.MOST_WAITING:,} pieces of news",
        f"{run_watching.MOST_POSITIONS:,} `after_steps`",
    ),
    "a stream that is not read": (f"after {sending.STALL:.0f} s",),
    "a stream whose token was revoked": (
        f"{sending.ASKED_AGAIN + token_cache.SECONDS_KEPT:.0f} s later",
    ),
    "`UploadFile`": (
        f"{dataset_service.MOST_UPLOADS} at once",
        f"longer than {dataset_service.UPLOAD_STALL:.0f} s",
        f"name of the file {bring_file._LONGEST_NAME} bytes",
    ),
    "`Health/Watch`": (f"{health.MOST_WATCHERS} at once",),
    "keepalive": (
        f"pings after {OPTIONS['grpc.keepalive_time_ms'] // 1000} s",
        f"gives up {OPTIONS['grpc.keepalive_timeout_ms'] // 1000} s later",
        f"ping every {OPTIONS['grpc.http2.min_ping_interval_without_data_ms'] // 1000} s",
    ),
}


def table(heading: str) -> dict[str, str]:
    """The first table of a section: what stands in each row, by its first cell."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| (\S[^|]*?) \| (.*) \|$", section, re.M))


def test_every_limit_is_as_told() -> None:
    told = table("Limits")

    assert set(told) == set(LIMITS)
    for name, numbers in LIMITS.items():
        for number in numbers:
            assert number in told[name], f"the limit of {name} is wrong"


def test_calls_in_flight_have_as_long_as_told() -> None:
    assert f"in flight have {server._GRACE:.0f} seconds" in PAGE.replace("\n", " ")


def test_a_file_that_is_brought_may_be_as_large_as_told() -> None:
    assert f"`SPINE_UPLOAD_LIMIT` ({Settings.model_fields['upload_limit'].default})" in PAGE


@pytest.mark.parametrize("category", list(Category))
def test_every_category_has_the_status_as_told(category: Category) -> None:
    rows = [row for row in table("Errors").items() if category.value in re.split(r"\W+", row[0])]

    codes = {re.findall(r"`([A-Z_]+)`", cells)[0] for _, cells in rows}
    marked = {code.name for found, _, code in statuses._MARKS if found is category}
    assert codes == {statuses.CODES[category].name, *marked}
