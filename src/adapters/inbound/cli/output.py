"""How results and errors look: tables for people, JSON for machines."""

from __future__ import annotations

import json
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
_PIPED_WIDTH = 200


def console(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal, and wide enough for tables where there is none."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPED_WIDTH
    return Console(file=stream, width=width, highlight=False, soft_wrap=False)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows; numbers are right-aligned, what is missing shows as a dash."""
    from rich.table import Table
    from rich.text import Text

    listed = [list(row) for row in rows]
    drawn = Table(title=title or None, title_justify="left", header_style="bold", box=_box())
    for index, name in enumerate(columns):
        numeric = any(isinstance(row[index], int | float) for row in listed)
        drawn.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in listed:
        drawn.add_row(*(Text(cell(value)) for value in row))
    console().print(drawn)


def cell(value: Any) -> str:
    """One value as a person reads it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.6g}"
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
    sys.stdout.write(json.dumps(plain(value), ensure_ascii=False, indent=2) + "\n")


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
    return value


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
    except SpineError as error:
        stop(error)
    except BrokenPipeError:
        # The reader has gone (as in `| head`): not an error, and nothing more can be said.
        sys.stderr.close()
        raise typer.Exit(0) from None


def _box() -> Any:
    from rich import box

    return box.SIMPLE_HEAD
