"""Who the caller of the call at hand is, and whether it still may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar

from ....domain.access import LOCAL, Principal


async def _always() -> None:
    """Nobody has to be asked."""


_CALLER: ContextVar[Principal] = ContextVar("market_spine_caller", default=LOCAL)
_STILL_WELCOME: ContextVar[Callable[[], Awaitable[None]]] = ContextVar(
    "market_spine_still_welcome", default=_always
)


def caller_of() -> Principal:
    """The caller of the call that is being answered by this task."""
    return _CALLER.get()


async def still_welcome() -> None:
    """Raise a SpineError when the caller would not be let in any more."""
    await _STILL_WELCOME.get()()


def set_caller(caller: Principal, still: Callable[[], Awaitable[None]] = _always) -> None:
    """Say who calls, for all that this task does from now on, and how to ask again."""
    _CALLER.set(caller)
    _STILL_WELCOME.set(still)
