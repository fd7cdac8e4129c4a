"""What the exit code of ``spine`` tells a script: who has to act, and whether a repeat can help."""

from __future__ import annotations

from enum import IntEnum

from ....domain.errors import Category, SpineError


class Exit(IntEnum):
    """How a command ended."""

    DONE = 0
    FAILED = 1
    """The work failed, or a check did: the error tells why, and the same again fails again."""
    USAGE = 2
    """A word, a parameter or a file is not what was declared."""
    NOT_THERE = 3
    """What was named is not there: a run, backfill, pipeline, workflow, dataset or token."""
    NOT_PERMITTED = 4
    """The server does not know the caller, or does not let the caller do it."""
    AGAIN = 5
    """A store, a server or a source is away or busy: the same may succeed later."""
    CONFIGURATION = 6
    """Settings, modules of users or the schema of the store are wrong."""
    DEFECT = 70
    """Market Spine, or the server, has a defect. The number is that of sysexits.h."""
    INTERRUPTED = 130
    """Ctrl-C, as shells tell it: 128 + SIGINT."""


_MENDED_FIRST = {
    Category.VALIDATION: Exit.USAGE,
    Category.CONFIGURATION: Exit.CONFIGURATION,
    Category.PERMISSION: Exit.NOT_PERMITTED,
}
_ABSENT = "resource"  # the mark by which an error says what is not there


def of(error: SpineError) -> Exit:
    """The exit code of a command that this error has ended."""
    if error.category is Category.VALIDATION and _ABSENT in error.context.metadata:
        return Exit.NOT_THERE
    if error.category in _MENDED_FIRST:
        return _MENDED_FIRST[error.category]
    # A server that is stopped cuts off a call: nothing repeats that by itself, later it may work.
    if error.retryable or error.category is Category.TRANSIENT:
        return Exit.AGAIN
    return Exit.DEFECT if error.category is Category.INTERNAL else Exit.FAILED


def of_run(error: SpineError | None) -> Exit:
    """The exit code for a run that was executed, and has not succeeded.

    What is wrong with a run is not what is wrong with the command that asked for it.
    """
    return Exit.AGAIN if error is not None and error.retryable else Exit.FAILED
