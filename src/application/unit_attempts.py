"""Doing a unit of work again that the store ended for another one's sake."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from ..domain.errors import ConflictError, SpineError, as_spine_error

log = logging.getLogger(__name__)

UNIT_ATTEMPTS = 5
"""How often a unit of work is begun before its ConflictError is told.

There is no pause in between: a store lets the other one go on, and makes this one wait for it.
"""

T = TypeVar("T")


def undisturbed(work: Callable[[], T]) -> T:
    """What ``work``, which opens and commits a unit, answers once no other one disturbs it.

    Raises its ConflictError after UNIT_ATTEMPTS.
    """
    for _ in range(1, UNIT_ATTEMPTS):
        try:
            return work()
        except ConflictError as error:
            log.info("done again: %s", error)
    return work()


@contextmanager
def typed_errors(doing: str) -> Iterator[None]:
    """Whatever goes wrong inside is told as a typed error, which names the work."""
    try:
        yield
    except SpineError:
        raise
    except Exception as error:
        raise as_spine_error(error, doing=doing) from error
