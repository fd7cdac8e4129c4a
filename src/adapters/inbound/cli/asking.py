"""Options that several commands share, and how their text is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ....domain.errors import ValidationError
from ....domain.parameters import parse_timestamp
from .progress import TerminalProgress

if TYPE_CHECKING:
    from .services import CliServices, Wiring

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Limit = Annotated[
    int, typer.Option("--limit", "-n", min=0, max=2**31 - 1, help="At most so many rows.")
]
Week = Annotated[
    str | None, typer.Option("--week", help="Monday of the week, YYYY-MM-DD.", metavar="DATE")
]
Tier = Annotated[str | None, typer.Option("--tier", help="Tier: T1, T2 or OTC.", metavar="CODE")]
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        "-p",
        help="A parameter; repeat it for more. KEY:=VALUE is JSON, as for a list.",
        metavar="KEY=VALUE",
    ),
]
RunId = Annotated[
    str,
    typer.Argument(
        help="Id of the run, its beginning or end (6 characters at least), or last.",
        metavar="RUN",
    ),
]
Since = Annotated[
    str | None,
    typer.Option("--since", help="From then on: 7d (ago), a date, an ISO time.", metavar="TIME"),
]
Until = Annotated[
    str | None,
    typer.Option(
        "--until", help="Up to then: 12h (ago), a date for its end, an ISO time.", metavar="TIME"
    ),
]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        help="Answer from what was known then: ISO time (UTC), or a date for its end.",
        metavar="TIMESTAMP",
    ),
]


def services(context: typer.Context) -> CliServices:
    """The services of this invocation, with progress shown on the terminal."""
    return wiring(context).services(TerminalProgress())


def wiring(context: typer.Context) -> Wiring:
    """What this invocation was given."""
    given: Wiring = context.obj
    return given


def server(text: str | None) -> str | None:
    """The value of --server; raises a ValidationError for one that is empty."""
    if text is None or text.strip():
        return text
    raise ValidationError(
        "--server is empty", hint="give it HOST:PORT, or leave it out to ask a store of your own"
    )


def run_id(services: CliServices, text: str | None) -> str | None:
    """The value of an option that names a run: ``last`` and parts of an id as well."""
    if text is None:
        return None
    from .run_ids import full_id

    return full_id(services.read_runs(), text)


def moment(text: str | None) -> datetime | None:
    """The value of --as-of."""
    return _read(text, parse_timestamp, "--as-of", "an ISO timestamp such as 2025-12-16T09:30:00Z")


def monday(text: str | None, option: str = "--week") -> date | None:
    """The value of --week; raises a ValidationError for a day that is no Monday."""
    from ....domain.finra_otc.weeks import check_week

    day = _read(text, date.fromisoformat, option, "a date (YYYY-MM-DD)")
    return None if day is None else check_week(day)


def weeks(week: str | None, first: str | None, last: str | None) -> tuple[date | None, date | None]:
    """The first and last week that --week, or --from and --to, ask for."""
    if week is not None and (first is not None or last is not None):
        raise ValidationError(
            "--week asks for one week, --from and --to for several",
            hint="give --week alone, or --from and --to",
        )
    if week is not None:
        day = monday(week)
        return day, day
    start, end = monday(first, "--from"), monday(last, "--to")
    if start is not None and end is not None and start > end:
        raise ValidationError(
            f"--from {start} is later than --to {end}", hint="give the earlier week to --from"
        )
    return start, end


def tier(text: str | None) -> str | None:
    """The value of --tier as a tier code."""
    if text is None:
        return None
    from ....domain.finra_otc.weeks import Tier as Code

    return Code.parse(text).value


def pairs(texts: Sequence[str], option: str) -> dict[str, Any]:
    """``key=value`` options as a mapping; the last of a repeated key holds."""
    found: dict[str, Any] = {}
    for text in texts:
        name, mark, value = text.partition("=")
        if not mark or not name.strip(" :"):
            raise ValidationError(
                f"{option} {text!r} is not of the form key=value",
                hint=f"write it as {option} key=value",
            )
        found[name.strip()] = value
    return found


def parameters(texts: Sequence[str]) -> dict[str, Any]:
    """The values of -p: texts, and for ``key:=value`` what the JSON text stands for."""
    found: dict[str, Any] = {}
    for key, value in pairs(texts, "-p").items():
        name = key.removesuffix(":").rstrip()
        if name == key:
            found[name] = value
            continue
        try:
            found[name] = json.loads(value)
        except RecursionError as error:
            raise ValidationError(
                f"the value of -p {name}:= is nested too deeply",
                hint="give lists and objects that have fewer others inside them",
                cause=error,
            ) from error
        except ValueError as error:
            raise ValidationError(
                f"the value of -p {name}:= is no JSON: {error}",
                hint=f"""write it like -p '{name}:=["a", "b"]', or as text: -p {name}=a""",
                cause=error,
            ) from error
    return found


def one_of(text: str | None, kind: type[E], option: str, what: str) -> E | None:
    """The value of an option that has a few; raises a ValidationError that names them."""
    if text is None:
        return None
    try:
        return kind(text.strip().upper())
    except ValueError:
        raise ValidationError(
            f"{option} {text!r} is no {what}", hint=f"expected one of {', '.join(kind)}"
        ) from None


def _read(text: str | None, read: Callable[[str], T], option: str, expected: str) -> T | None:
    if text is None:
        return None
    try:
        return read(text)
    except ValueError as error:
        raise ValidationError(f"{option} {text!r} is not {expected}", cause=error) from error
