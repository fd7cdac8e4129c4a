"""Lists of which one side knows the last item, and the other where its pages ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ..client.calls import PAGE_SIZE, Page

K = TypeVar("K", int, str)
T = TypeVar("T")


@dataclass(slots=True)
class Bookmarks(Generic[T, K]):
    """One list of a server, read on from any of its items.

    ``fetch`` gives the page of a size behind a token; ``key`` is what an item is known by, and
    ``beyond`` says whether the first of two keys comes after the second. Where pages have ended is
    remembered: reading a list to its end, again and again from some item on, skips little.
    """

    fetch: Callable[[int, str], Page[T]]
    key: Callable[[T], K]
    beyond: Callable[[K, K], bool]
    _tokens: dict[K, str] = field(default_factory=dict)

    def after(self, last: K | None, limit: int) -> list[T]:
        """At most ``limit`` items after the one known by ``last``, or from the beginning."""
        place = None if last is None else self._nearest(last)
        token = "" if place is None else self._tokens[place]
        exact = place == last
        found: list[T] = []
        while len(found) < limit:
            page = self.fetch(min(PAGE_SIZE, limit - len(found)) if exact else PAGE_SIZE, token)
            for item in page.items:
                if last is None or self.beyond(self.key(item), last):
                    found.append(item)
            token = page.next_token
            if not token:
                break
            if page.items:
                self._tokens[self.key(page.items[-1])] = token
        return found[:limit]

    def _nearest(self, last: K) -> K | None:
        """The last known end of a page that is not beyond ``last``."""
        nearest: K | None = None
        for place in self._tokens:
            if not self.beyond(place, last) and (nearest is None or self.beyond(place, nearest)):
                nearest = place
        return nearest
