"""How results and errors look: tables for people, JSON for machines."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import is_dataclass
from datetime import date, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from ....domain.errors import Category, SpineError

if TYPE_CHECKING:
    from rich.console import Console

EXIT_FAILED = 1
EXIT_USAGE = 2
_USAGE = (Category.VALIDATION, Category.CONFIGURATION)
_PIPED_WIDTH = 10_000
_READABLE = 16  # characters below which a text is never folded
_GAP = 3
_LARGE = 1000
_JSON = (str, bool, int, float)


def console(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal; where there is none, as wide as what is printed."""
    from .terminal import Terminal

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPED_WIDTH
    return Terminal(file=stream, width=width, highlight=False)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows; numbers are right-aligned, what is missing shows as a dash.

    Rows that are too wide for the terminal are printed as records, one column a line.
    """
    source = [list(row) for row in rows]
    listed = [[cell(value) for value in row] for row in source]
    numeric = [
        any(isinstance(row[index], int | float) for row in source) for index in range(len(columns))
    ]
    out = console()
    if title:
        out.print(title, style="bold")
    if _too_wide(columns, listed, out.width):
        _records(out, columns, listed)
        return
    from rich.table import Table
    from rich.text import Text

    drawn = Table(header_style="bold", box=_box(), show_edge=False, pad_edge=False)
    for name, right in zip(columns, numeric, strict=True):
        drawn.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in listed:
        drawn.add_row(*(Text(value) for value in row))
    out.print(drawn)
    out.print()


def _too_wide(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> bool:
    """Whether folding would leave columns that nobody can read."""
    if not rows:
        return False
    least = sum(
        max(len(name), *(_least_width(row[index]) for row in rows)) + _GAP
        for index, name in enumerate(columns)
    )
    return least > width


def _least_width(text: str) -> int:
    """Prose may be folded between words; an identifier or a number may not."""
    return max(map(len, text.split()), default=0) if len(text) > _READABLE else len(text)


def _records(out: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.text import Text

    label = max(len(name) for name in columns)
    for number, row in enumerate(rows, 1):
        out.print(Text(f"row {number}", style="bold"))
        for name, value in zip(columns, row, strict=True):
            out.print(Text(f"  {name:<{label}}  ").append(value))
    out.print()


def cell(value: Any) -> str:
    """One value as a person reads it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= _LARGE else f"{value:,.6g}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, Enum):
        return str(value.value)
    return str(value)


def say(text: str) -> None:
    """Print a line as it is."""
    console().print(text, markup=False)


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    try:
        sys.stdout.write(json.dumps(plain(value), ensure_ascii=False, indent=2) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        leave_quietly()


def plain(value: Any) -> Any:
    """JSON-ready: dataclasses become objects, times ISO text, errors their lossless form."""
    if isinstance(value, SpineError):
        return value.to_dict()
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, _JSON) else str(value)


def show_error(error: SpineError) -> None:
    """What happened and what to do next, on stderr."""
    from rich.text import Text

    out = console(stderr=True)
    out.print(
        Text(f"error [{error.category.value}] ", style="bold red").append(
            error.message, style="not bold default"
        )
    )
    if error.hint:
        out.print(Text("  next: ", style="bold").append(error.hint, style="not bold"))


def exit_code(error: SpineError) -> int:
    """2 for what the caller has to say differently, 1 for what went wrong."""
    return EXIT_USAGE if error.category in _USAGE else EXIT_FAILED


def stop(error: SpineError) -> NoReturn:
    """Show the error and leave with its exit code."""
    show_error(error)
    raise typer.Exit(exit_code(error)) from error


@contextmanager
def errors_shown() -> Iterator[None]:
    """Turn typed errors into a message and an exit code; a closed pipe into silence."""
    try:
        yield
        sys.stdout.flush()
    except SpineError as error:
        stop(error)
    except BrokenPipeError:
        leave_quietly()


def leave_quietly() -> NoReturn:
    """The reader has gone (as in `| head`): not an error, and nothing more can be said."""
    # What is still buffered would fail again when the interpreter closes stdout.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(0)


def _box() -> Any:
    from rich import box

    return box.SIMPLE_HEAD
