"""Parsing one piece while the next one is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

P = TypeVar("P")
R = TypeVar("R")


def one_ahead(work: Callable[[P], R], pieces: Iterable[P]) -> Iterator[R]:
    """``map(work, pieces)``, with ``work`` in a thread of its own while the next piece comes.

    The pieces are drawn in the caller's thread. At most two are held at a time.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        before: Future[R] | None = None
        for piece in pieces:
            now = pool.submit(work, piece)
            if before is not None:
                yield before.result()
            before = now
        if before is not None:
            yield before.result()
