"""Who the caller of the call at hand is."""

from __future__ import annotations

from contextvars import ContextVar

from ....domain.access import LOCAL, Principal

_CALLER: ContextVar[Principal] = ContextVar("market_spine_caller", default=LOCAL)


def caller_of() -> Principal:
    """The caller of the call that is being answered by this task."""
    return _CALLER.get()


def set_caller(caller: Principal) -> None:
    """Say who calls, for all that this task does from now on."""
    _CALLER.set(caller)
