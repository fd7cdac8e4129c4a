"""Pages of lists: how large they are, where they begin, and what order they have."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from google.protobuf.message import Message

from .page_tokens import PageTokens
from .resource_names import invalid_field

DEFAULT_PAGE_SIZE = 50
LARGEST_PAGE_SIZE = 1_000
_PAGE_BYTES = 3 * 1024 * 1024  # clients refuse messages over 4 MiB unless told otherwise

T = TypeVar("T")
M = TypeVar("M", bound=Message)
Key = list[Any] | None


class PageRequest(Protocol):
    """Every request for a page."""

    page_size: int
    page_token: str


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """What a page holds, and the token for the next one, empty at the end."""

    items: list[M]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class Pages:
    """Makes the pages of one method. Tokens are sealed with ``key``."""

    method: str
    key: bytes

    def page(
        self,
        request: PageRequest,
        filters: Sequence[object],
        read: Callable[[Key, int], Sequence[T]],
        message: Callable[[T], M],
        key_of: Callable[[T], Sequence[Any]],
        *,
        default: int = DEFAULT_PAGE_SIZE,
    ) -> Page[M]:
        """The page that is asked for.

        ``filters`` are all that decides what is listed, and in which order: a token of other
        filters is refused. ``read`` answers at most so many items after a key, None for the
        first; ``key_of`` tells the key of an item, as JSON has it.
        """
        size = page_size(request.page_size, default)
        tokens = PageTokens(self.method, self.key)
        sealed = tuple(filters)
        after = tokens.open(request.page_token, sealed)
        # One more than asked for shows whether another page follows.
        found = read(None if after is None else json.loads(after), size + 1)
        items = list(_fitting(map(message, found[:size])))
        token = ""
        if len(items) < len(found):
            last = key_of(found[len(items) - 1])
            token = tokens.issue(json.dumps(list(last), separators=(",", ":")), sealed)
        return Page(items, token)


def page_size(asked: int, default: int = DEFAULT_PAGE_SIZE) -> int:
    """How many items a page has; raises a ValidationError for a negative number."""
    if asked < 0:
        raise invalid_field(
            "page_size",
            f"page_size is {asked}, but a page cannot hold fewer than 0 items",
            hint=f"give 1 to {LARGEST_PAGE_SIZE}, or 0 for {default}",
        )
    return min(asked or default, LARGEST_PAGE_SIZE)


def descending(order_by: str, field: str, *, default: bool, only: bool = False) -> bool:
    """Whether a list is sorted by its one sortable field from the highest to the lowest.

    Raises a ValidationError for any other order; with ``only``, also for the opposite of the
    default.
    """
    words = order_by.split()
    if not words:
        return default
    names = {(field,): False, (field, "asc"): False, (field, "desc"): True}
    found = names.get(tuple(words))
    if found is None or (only and found is not default):
        allowed = [f"{field} desc" if default else field]
        if not only:
            allowed.append(field if default else f"{field} desc")
        raise invalid_field(
            "order_by",
            f"order_by is {order_by[:100]!r}",
            hint=f"give {' or '.join(repr(item) for item in allowed)}, or nothing",
        )
    return found


def by_name(
    items: Sequence[T], name: Callable[[T], str], *, reverse: bool
) -> Callable[[Key, int], Sequence[T]]:
    """Reads pages of items that are all in memory, sorted by their names."""
    ordered = sorted(items, key=name, reverse=reverse)

    def read(after: Key, limit: int) -> Sequence[T]:
        if after is None:
            return ordered[:limit]
        last = str(after[0])
        rest = [item for item in ordered if (name(item) < last if reverse else name(item) > last)]
        return rest[:limit]

    return read


def _fitting(messages: Iterable[M]) -> Iterable[M]:
    """As many messages as a client takes at once, at least one."""
    room = _PAGE_BYTES
    for number, message in enumerate(messages):
        room -= message.ByteSize()
        if room < 0 and number:
            return
        yield message
