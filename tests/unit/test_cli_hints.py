"""Hints name what people who use ``spine`` can do, not what programs would send."""

from __future__ import annotations

import contextvars

from market_spine.adapters.inbound.cli.commands import Asked, answered_by, next_step
from market_spine.domain.access import unauthenticated
from market_spine.domain.errors import Category, SpineError, ValidationError

STRANGER = unauthenticated("this server demands credentials", hint="send 'authorization: ...'")


def told(error: SpineError, *, remote: bool) -> str | None:
    def ask() -> str | None:
        answered_by(Asked(remote=remote))
        return next_step(error)

    return contextvars.copy_context().run(ask)


def test_a_server_that_does_not_know_the_caller_is_told_of_by_the_settings() -> None:
    hint = str(told(STRANGER, remote=True))

    assert "SPINE_TOKEN," in hint
    assert "SPINE_TOKEN_FILE" in hint
    assert hint.endswith(str(STRANGER.hint))


def test_a_proxy_that_says_nothing_but_the_code_is_understood_too() -> None:
    bare = SpineError("no", category=Category.PERMISSION, metadata={"code": "UNAUTHENTICATED"})

    assert "SPINE_TOKEN_FILE" in str(told(bare, remote=True))


def test_every_other_hint_stays_as_it_is() -> None:
    denied = SpineError("no", category=Category.PERMISSION, metadata={"code": "PERMISSION_DENIED"})
    for error in (denied, ValidationError("no such run", hint="see the list"), SpineError("x")):
        assert told(error, remote=True) == error.hint
    assert told(STRANGER, remote=False) == STRANGER.hint
