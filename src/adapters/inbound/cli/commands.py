"""How hints are written: commands ask who was asked just now, settings are those of spine."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from contextvars import ContextVar
from dataclasses import dataclass

from ....domain.errors import Category, SpineError


@dataclass(frozen=True, slots=True)
class Asked:
    """Who answers the command that is executed: a store of our own, or a server.

    ``option`` is the value of --server, absent for a server that the settings name.
    """

    option: str | None = None
    remote: bool = False


_asked: ContextVar[Asked] = ContextVar("asked", default=Asked())  # noqa: B039  # it is frozen


def answered_by(asked: Asked) -> None:
    """From now on, commands are written for this one."""
    _asked.set(asked)


def command(words: str) -> str:
    """``words`` as a command line that can be copied: ``spine runs list``, with the server."""
    option = _asked.get().option
    return f"spine {words}" if option is None else f"spine --server {shlex.quote(option)} {words}"


def execute(words: str) -> str:
    """The command line that has a pipeline executed where it belongs: here, or by a server."""
    return command(f"submit {words}") if _asked.get().remote else command(f"run {words}")


def start_worker(pools: Collection[str] = ()) -> str:
    """What starts a worker that executes what is queued in these pools.

    Without being told, a worker serves the pool ``default`` only.
    """
    from ....domain.queueing import DEFAULT_POOL

    told = {*pools, DEFAULT_POOL}
    served = f" --pools {','.join(sorted(told))}" if len(told) > 1 else ""
    if _asked.get().remote and served:
        return f"spine worker{served} beside its store"
    if _asked.get().remote:
        return "spine serve there, or spine worker beside its store"
    return f"spine worker{served}"


def next_step(error: SpineError) -> str | None:
    """The hint of an error; where a server does not know who asks, with the settings that tell it.

    A server's own hint is for programs of every kind, which have no settings of ours.
    """
    metadata = error.context.metadata
    unknown = "unauthenticated" in metadata or metadata.get("code") == "UNAUTHENTICATED"
    if not (_asked.get().remote and unknown and error.category is Category.PERMISSION):
        return error.hint
    ours = "spine takes its token from SPINE_TOKEN, or from the file that SPINE_TOKEN_FILE names"
    return f"{ours}; {error.hint}" if error.hint else ours


def who() -> str:
    """The one who answers, as the subject of a sentence."""
    return "the server" if _asked.get().remote else "the store"
