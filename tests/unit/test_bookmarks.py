"""A list that is read on from its items, over pages that only go on from tokens."""

from __future__ import annotations

import operator

from hypothesis import given
from hypothesis import strategies as st

from market_spine.bootstrap.bookmarks import Bookmarks
from market_spine.client.calls import Page


class Pages:
    """A list of numbers in pages that are at most ``most`` long; counts what was asked for."""

    def __init__(self, numbers: list[int], most: int) -> None:
        self.numbers = numbers
        self.most = most
        self.asked: list[tuple[int, str]] = []

    def __call__(self, size: int, token: str) -> Page[int]:
        self.asked.append((size, token))
        first = int(token or 0)
        last = first + min(size, self.most)
        token = str(last) if last < len(self.numbers) else ""
        return Page(self.numbers[first:last], token)


def listed(pages: Pages) -> Bookmarks[int, int]:
    return Bookmarks(pages, lambda number: number, operator.gt)


@given(
    st.integers(0, 40),
    st.integers(1, 7),
    st.lists(st.tuples(st.integers(-1, 45), st.integers(1, 9)), max_size=6),
)
def test_it_goes_on_after_any_item(count: int, most: int, asked: list[tuple[int, int]]) -> None:
    numbers = list(range(count))
    bookmarks = listed(Pages(numbers, most))

    for last, limit in asked:
        wanted = [number for number in numbers if number > last][:limit]
        assert bookmarks.after(None if last < 0 else last, limit) == wanted


def test_reading_on_where_a_page_has_ended_skips_nothing() -> None:
    pages = Pages(list(range(30)), most=1000)
    bookmarks = listed(pages)

    last = None
    for _ in range(3):
        last = bookmarks.after(last, 10)[-1]

    assert pages.asked == [(10, ""), (10, "10"), (10, "20")]


def test_reading_on_from_elsewhere_begins_at_the_nearest_end_of_a_page() -> None:
    pages = Pages(list(range(30)), most=10)
    bookmarks = listed(pages)
    bookmarks.after(None, 30)
    pages.asked.clear()

    assert bookmarks.after(14, 2) == [15, 16]

    assert [token for _, token in pages.asked] == ["10"]
