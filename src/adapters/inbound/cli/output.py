"""How results and errors look: tables for people, JSON for machines."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import is_dataclass
from datetime import date, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from ....domain.errors import SpineError
from . import exits, stdout
from .commands import next_step

if TYPE_CHECKING:
    from .layout import Column, Narrowing

_JSON = (str, bool, int, float)
NOTHING = "nothing found"


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    narrowing: Narrowing = (),
    cut: Collection[str] = (),
) -> None:
    """Print rows; numbers are right-aligned, what is missing shows as a dash.

    ``narrowing`` names, in order, the columns that are left out while the rows are too wide for
    the terminal. If that is not enough, they are printed as records, one column a line. Columns in
    ``cut`` lose the end of what does not fit. A pipe has no width: all is printed.
    """
    from .layout import ASCII, Signs, lay_out

    source = [tuple(row) for row in rows]
    if not source:
        say(NOTHING)
        return
    drawn = [
        _column(name, [row[index] for row in source], name in cut)
        for index, name in enumerate(columns)
    ]
    signs = Signs() if stdout.shows("─…") else ASCII
    laid = lay_out(drawn, stdout.width(), narrowing, signs)
    head = [_bold(line) for line in (title, *laid.head[:1]) if line]
    stdout.write("\n".join([*head, *laid.head[1:], *laid.body, "", ""]))
    for text in laid.notes:
        say(text)


def block(title: str, lines: Sequence[str]) -> None:
    """Print lines that are laid out already, the first of them a header."""
    head = [_bold(line) for line in (title, *lines[:1]) if line]
    stdout.write("\n".join([*head, *lines[1:], "", ""]))


def facts(pairs: Iterable[tuple[str, Any]]) -> None:
    """Print names and values, one pair a line; what is folded hangs below its value."""
    from .cells import cell
    from .layout import hanging

    known = [(cell(name), cell(value)) for name, value in pairs]
    label = max((len(name) for name, _ in known), default=0)
    lines = [
        line
        for name, value in known
        for line in hanging(f"{name:<{label}}   ", value, stdout.width())
    ]
    stdout.write("\n".join([*lines, "", ""]))


def say(text: str, *, whole: bool = False) -> None:
    """Print a line, folded between words on a terminal; a ``whole`` one is there to be copied."""
    from .cells import visible
    from .layout import fold

    width = None if whole else stdout.width()
    shown = visible(text)
    stdout.write("\n".join([shown] if width is None else fold(shown, width)) + "\n")


def note(text: str) -> None:
    """A remark on stderr, where it stands in no one's way."""
    print(text, file=sys.stderr)


def print_json(value: Any) -> None:
    """One JSON document on stdout; escaped where its encoding lacks a character."""
    plainly = plain(value)
    text = json.dumps(plainly, ensure_ascii=False, indent=2)
    stdout.write((text if stdout.shows(text) else json.dumps(plainly, indent=2)) + "\n")


def print_json_line(value: Any) -> None:
    """One JSON object on a line of its own, as one of many."""
    plainly = plain(value)
    text = json.dumps(plainly, ensure_ascii=False)
    stdout.write((text if stdout.shows(text) else json.dumps(plainly)) + "\n")


def plain(value: Any) -> Any:
    """JSON-ready: dataclasses become objects, times ISO text, errors their lossless form."""
    if isinstance(value, SpineError):
        return plain(_error_document(value.to_dict()))
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(by_name(getattr(value, name))) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, _JSON) else str(value)


def by_name(value: Any) -> Any:
    """``value`` with all mappings in it ordered by name.

    The order of values by name means nothing, and a server's answers do not keep it.
    """
    if isinstance(value, Mapping):
        return {name: by_name(value[name]) for name in sorted(value, key=str)}
    if isinstance(value, list | tuple):
        return [by_name(item) for item in value]
    return value


def _error_document(told: Mapping[str, Any]) -> dict[str, Any]:
    """The lossless form of an error; what its context has by name is ordered by name."""
    context, cause = told["context"], told["cause"]
    return {
        **told,
        "context": {**context, "metadata": by_name(context["metadata"])},
        "cause": _error_document(cause) if cause and "context" in cause else cause,
    }


def show_error(error: SpineError) -> None:
    """What happened and what to do next, on stderr."""
    from .cells import escaped
    from .layout import hanging

    terminal = sys.stderr.isatty()
    width = shutil.get_terminal_size().columns if terminal else None
    said = [(f"error [{error.category.value}] ", error.message)]
    hint = next_step(error)
    if hint:
        said.append(("  next: ", hint))
    for label, text in said:
        # A message may have lines of its own; those that follow hang below the first.
        first, *more = [escaped(line) for line in text.splitlines()] or [""]
        lines = [*hanging(label, first, width), *(" " * len(label) + line for line in more)]
        lines[0] = _bold(label, on=terminal) + lines[0].removeprefix(label)
        print("\n".join(lines), file=sys.stderr)


def stop(error: SpineError) -> NoReturn:
    """Show the error and leave with its exit code."""
    show_error(error)
    raise typer.Exit(exits.of(error)) from error


@contextmanager
def errors_shown() -> Iterator[None]:
    """Turn typed errors into a message and an exit code; a reader who left into silence."""
    try:
        with stdout.library_output():
            yield
        stdout.flush()
    except SpineError as error:
        stop(error)
    except stdout.ReaderGone as gone:
        raise typer.Exit from gone


def _column(name: str, values: Sequence[Any], cut: bool) -> Column:
    from .cells import cell, is_number
    from .layout import Column

    return Column(
        name,
        [cell(value) for value in values],
        right=any(map(is_number, values)),
        folds=not cut and any(isinstance(value, str) and " " in value for value in values),
        cut=cut,
    )


def _bold(text: str, *, on: bool | None = None) -> str:
    shown = stdout.is_terminal() if on is None else on
    return typer.style(text, bold=True) if shown and os.environ.get("TERM") != "dumb" else text
