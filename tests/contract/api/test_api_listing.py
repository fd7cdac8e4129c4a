"""Pages of runs: complete, in order, without repeats, whatever is added meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from api_process import WAIT, ApiProcess

from market_spine.v1 import run_pb2
from market_spine.v1.run_service_pb2 import ListRunsRequest, ListRunsResponse


def page(api: ApiProcess, **fields: Any) -> ListRunsResponse:
    answer = api.runs.ListRuns(ListRunsRequest(**fields), timeout=WAIT)
    assert isinstance(answer, ListRunsResponse)
    return answer


def numbers(*pages: ListRunsResponse) -> list[int]:
    return [int(run.name.removeprefix("runs/")) for one in pages for run in one.runs]


def all_pages(api: ApiProcess, **fields: Any) -> list[ListRunsResponse]:
    pages = [page(api, **fields)]
    while pages[-1].next_page_token:
        pages.append(page(api, page_token=pages[-1].next_page_token, **fields))
    return pages


def history(api: ApiProcess, count: int, **facts: Any) -> None:
    api.add(*({"number": number, **facts} for number in range(1, count + 1)))


def test_an_empty_history_is_one_empty_page(own_api: ApiProcess) -> None:
    answer = page(own_api)

    assert (list(answer.runs), answer.next_page_token) == ([], "")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [(0, [50, 50, 20]), (7, [7] * 17 + [1]), (60, [60, 60]), (119, [119, 1]), (120, [120])],
)
def test_pages_are_of_the_size_that_was_asked_for(
    own_api: ApiProcess, asked: int, expected: list[int]
) -> None:
    history(own_api, 120)

    pages = all_pages(own_api, page_size=asked)

    assert [len(one.runs) for one in pages] == expected
    assert numbers(*pages) == list(range(120, 0, -1))


@pytest.mark.parametrize("asked", [1001, 2**31 - 1])
def test_a_huge_page_is_taken_for_the_largest(own_api: ApiProcess, asked: int) -> None:
    history(own_api, 1001)

    assert [len(one.runs) for one in all_pages(own_api, page_size=asked)] == [1000, 1]


def test_the_page_size_may_change_between_pages(own_api: ApiProcess) -> None:
    history(own_api, 10)

    first = page(own_api, page_size=3)
    rest = page(own_api, page_size=5, page_token=first.next_page_token)

    assert numbers(first, rest) == [10, 9, 8, 7, 6, 5, 4, 3]


def test_runs_added_while_paging_neither_repeat_nor_hide_any(own_api: ApiProcess) -> None:
    history(own_api, 57)
    pages = [page(own_api, page_size=10)]
    added = 57

    while pages[-1].next_page_token:
        own_api.add(*({"number": added + extra} for extra in range(1, 16)))
        added += 15
        pages.append(page(own_api, page_size=10, page_token=pages[-1].next_page_token))

    assert added > 57
    assert numbers(*pages) == list(range(57, 0, -1))


def test_a_page_ends_before_it_outgrows_what_a_client_accepts(own_api: ApiProcess) -> None:
    history(own_api, 7, bytes=1_000_000)

    pages = all_pages(own_api, page_size=1000)

    assert numbers(*pages) == [7, 6, 5, 4, 3, 2, 1]
    assert max(one.ByteSize() for one in pages) < 4 * 1024 * 1024


def test_a_run_as_large_as_a_page_still_comes(own_api: ApiProcess) -> None:
    history(own_api, 2, bytes=3_500_000)

    assert [numbers(one) for one in all_pages(own_api)] == [[2], [1]]


def mixed_history(api: ApiProcess) -> list[dict[str, Any]]:
    states = ["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "SKIPPED"]
    runs = [
        {
            "number": number,
            "state": states[number % 6],
            "pipeline": f"demo.p{number % 4}",
            "parent": "00000001" if number % 5 == 0 else None,
        }
        for number in range(1, 61)
    ]
    api.add(*runs)
    return runs


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"state": run_pb2.Run.STATE_FAILED}, lambda run: run["state"] == "FAILED"),
        ({"state": run_pb2.Run.STATE_SKIPPED}, lambda run: run["state"] == "SKIPPED"),
        ({"pipeline": "demo.p3"}, lambda run: run["pipeline"] == "demo.p3"),
        ({"pipeline": "demo.p"}, lambda run: False),
        ({"parent_run": "runs/00000001"}, lambda run: run["parent"] == "00000001"),
        ({"parent_run": "runs/unknown"}, lambda run: False),
        ({"top_level_only": True}, lambda run: run["parent"] is None),
        (
            {"state": run_pb2.Run.STATE_RUNNING, "pipeline": "demo.p1"},
            lambda run: run["state"] == "RUNNING" and run["pipeline"] == "demo.p1",
        ),
    ],
)
def test_filters_keep_what_they_say_on_every_page(
    own_api: ApiProcess, fields: dict[str, Any], kept: Any
) -> None:
    runs = mixed_history(own_api)

    found = numbers(*all_pages(own_api, page_size=4, **fields))

    assert found == sorted((run["number"] for run in runs if kept(run)), reverse=True)


@pytest.mark.parametrize(
    "other",
    [
        {"pipeline": "demo.load"},
        {"state": run_pb2.Run.STATE_SUCCEEDED},
        {"parent_run": "runs/00000001"},
        {"top_level_only": True},
    ],
)
def test_a_token_with_other_filters_is_refused_both_ways(
    own_api: ApiProcess, other: dict[str, Any]
) -> None:
    api = own_api
    api.add({"number": 1})
    api.add(*({"number": number, "parent": "00000001"} for number in range(2, 6)))
    api.add(*({"number": number} for number in range(6, 10)))
    plain, filtered = page(api, page_size=1), page(api, page_size=1, **other)
    assert plain.next_page_token
    assert filtered.next_page_token

    assert refusal(api, page_token=plain.next_page_token, **other)
    assert refusal(api, page_token=filtered.next_page_token)


def test_a_token_with_any_character_changed_is_refused(api: ApiProcess) -> None:
    token = page(api, page_size=1).next_page_token

    for place in range(len(token)):
        other = "A" if token[place] != "A" else "B"
        assert refusal(api, page_token=token[:place] + other + token[place + 1 :]), place


def test_a_token_of_another_server_is_refused_unless_they_share_a_key(
    api: ApiProcess, new_database: Callable[[str], Path]
) -> None:
    foreign = page(api, page_size=1).next_page_token
    with (
        ApiProcess(new_database("one"), page_key="shared") as one,
        ApiProcess(new_database("two"), page_key="shared") as two,
    ):
        history(one, 3)
        history(two, 3)
        token = page(one, page_size=1).next_page_token

        assert numbers(page(two, page_token=token)) == [2, 1]
        assert refusal(two, page_token=foreign)


def refusal(api: ApiProcess, **fields: Any) -> bool:
    """Whether the page is refused as INVALID_ARGUMENT, for its token."""
    try:
        page(api, **fields)
    except grpc.RpcError as error:
        problem: Any = error
        return problem.code() is grpc.StatusCode.INVALID_ARGUMENT and (
            "page_token" in problem.details()
        )
    return False
