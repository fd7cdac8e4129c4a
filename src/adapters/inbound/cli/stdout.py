"""Writing to stdout: what it can show, and what happens when it cannot be written."""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import NoReturn

from ....domain.errors import Category, LoadError


class ReaderGone(Exception):  # noqa: N818  # not an error: nobody reads any more, as in `| head`
    """The other end of the pipe was closed."""


def width() -> int | None:
    """Characters in a line of the terminal; None where nothing limits a line."""
    return shutil.get_terminal_size().columns if is_terminal() else None


def is_terminal() -> bool:
    """Whether a person watches."""
    return sys.stdout is not None and sys.stdout.isatty()


def shows(text: str) -> bool:
    """Whether stdout's encoding has all characters of ``text``."""
    try:
        text.encode(_encoding())
    except UnicodeEncodeError:
        return False
    return True


def showable(text: str) -> str:
    """``text`` with a backslash escape for each character that stdout's encoding lacks."""
    encoding = _encoding()
    return text.encode(encoding, "backslashreplace").decode(encoding)


def write(data: str | bytes) -> None:
    """Write and flush. Raises ReaderGone for a closed pipe, else a LoadError of RESOURCE."""
    if sys.stdout is None:
        raise _unwritable("it is closed", None)
    try:
        if isinstance(data, str):
            sys.stdout.write(showable(data))
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except OSError as error:
        _give_up(error)


def flush() -> None:
    """Write what others have printed; raises as :func:`write` does."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError as error:
        _give_up(error)


@contextmanager
def library_output() -> Iterator[None]:
    """Tell a help text that the library could not write as :func:`write` does."""
    try:
        yield
    except OSError as error:
        if _from_library(error.__traceback__):
            _give_up(error)
        raise


def _encoding() -> str:
    return getattr(sys.stdout, "encoding", None) or "utf-8"


def _from_library(trace: TracebackType | None) -> bool:
    """Whether the error arose in the library itself: other OSErrors are not about stdout."""
    frames = [frame for frame, _ in traceback.walk_tb(trace)]
    return bool(frames) and str(frames[-1].f_globals.get("__name__")).startswith("typer.")


def _give_up(error: OSError) -> NoReturn:
    # What is still buffered would fail again when the interpreter closes stdout.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        raise ReaderGone from error
    raise _unwritable(error.strerror or str(error), error) from error


def _unwritable(why: str, cause: OSError | None) -> LoadError:
    return LoadError(
        f"stdout cannot be written: {why}",
        category=Category.RESOURCE,
        hint="what was recorded is safe; ask again where there is room",
        cause=cause,
    )
