"""``spine data``: the published datasets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ....domain.errors import ValidationError
from . import asking, output
from .commands import command

if TYPE_CHECKING:
    import polars as pl

    from ....domain.datasets import DatasetQuery, DatasetSpec
    from .services import CliServices

app = typer.Typer(help="Published datasets.", no_args_is_help=True, rich_markup_mode=None)

Format = Literal["table", "csv", "json", "parquet"]
Dataset = Annotated[str, typer.Argument(help="Name; see spine data list.", metavar="DATASET")]

_TABLE_ROWS = 20
_ENDINGS: dict[str, Format] = {".csv": "csv", ".json": "json", ".parquet": "parquet"}


@app.command("list")
def list_datasets(context: typer.Context, json: asking.Json = False) -> None:
    """List the datasets; spine data describe NAME tells what the columns of one mean."""
    with output.errors_shown():
        specs = [dataset.spec for dataset in asking.services(context).datasets()]
        if json:
            output.print_json([_described(spec) for spec in specs])
            return
        output.table(
            "",
            ["dataset", "one row per", "description"],
            ((spec.name, ", ".join(spec.key), spec.description) for spec in specs),
            narrowing=("one row per",),
        )
        output.say(f"{command('data describe NAME')} tells what the columns mean")


@app.command("describe")
def describe(context: typer.Context, dataset: Dataset, json: asking.Json = False) -> None:
    """Show what a dataset holds: its key, and the type and meaning of each column."""
    with output.errors_shown():
        spec = asking.services(context).datasets().get(dataset).spec
        told = _described(spec)
        if json:
            output.print_json(told)
            return
        output.say(f"{spec.name}: {spec.description}")
        output.table(
            "",
            ["column", "type", "key", "description"],
            (
                (item["name"], item["type"], "key" if item["key"] else "", item["description"])
                for item in told["columns"]
            ),
        )


@app.command("show")
def show(
    context: typer.Context,
    dataset: Dataset,
    week: asking.Week = None,
    first: Annotated[
        str | None, typer.Option("--from", help="First week, its Monday.", metavar="DATE")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", help="Last week, its Monday.", metavar="DATE")
    ] = None,
    tier: asking.Tier = None,
    symbol: Annotated[str | None, typer.Option(help="Symbol, exactly as FINRA writes it.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", "-w", help="Column equals value; repeatable.", metavar="KEY=VALUE"),
    ] = None,
    as_of: asking.AsOf = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", "-n", min=0, help="At most so many rows (a table shows 20)."),
    ] = None,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format", "-f", help="How to print; else by the ending of FILE, else a table."
        ),
    ] = None,
    target: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file.", metavar="FILE")
    ] = None,
) -> None:
    """Show rows of a dataset, newest week first."""
    with output.errors_shown():
        from ....domain.datasets import DatasetQuery

        chosen = _format(form, target)
        start, end = asking.weeks(week, first, last)
        query = DatasetQuery(
            first_period=start,
            last_period=end,
            segment=asking.tier(tier),
            symbol=symbol,
            equals=asking.pairs(where or [], "--where"),
            as_of=asking.moment(as_of),
            limit=limit,
        )
        _answer(asking.services(context), dataset, query, chosen, target)


def _format(form: Format | None, target: Path | None) -> Format:
    """The format that was asked for, else that of the file's ending, else a table."""
    if target is None:
        return form or "table"
    if form == "table":
        raise ValidationError(
            "a table is printed, not written", hint="add --format csv, json or parquet to -o"
        )
    found = form or _ENDINGS.get(target.suffix.lower())
    if found is None:
        raise ValidationError(
            f"the ending of {target.name} names no format",
            hint="add --format csv, json or parquet to -o",
        )
    return found


def _answer(
    services: CliServices, dataset: str, query: DatasetQuery, form: Format, target: Path | None
) -> None:
    from dataclasses import replace

    from .absence import reason
    from .frames import show_table, write_frames

    reader = services.read_datasets()
    spec = reader.spec(dataset)
    if form == "table":
        rows = query.limit if query.limit is not None else _TABLE_ROWS
        # One more than a table shows by itself tells that there are more.
        asked = replace(query, limit=rows + (query.limit is None))
        found = show_table(reader.stream(dataset, asked), rows)
    else:
        found = write_frames(spec, reader.stream(dataset, query), form, target)
        if target is not None:
            output.note(f"{found:,} rows -> {target}")
    if not found:
        output.note(f"why: {reason(services.read_evidence(), spec, query)}")


def _described(spec: DatasetSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "description": spec.description,
        "key": spec.key,
        "columns": [
            {
                "name": column.name,
                "type": _type(column.dtype),
                "key": column.name in spec.key,
                "description": column.description,
            }
            for column in spec.columns
        ],
    }


def _type(dtype: pl.DataType) -> str:
    """The polars name of a type, decimals as ``Decimal(precision,scale)``."""
    return re.sub(r"\w+=|\s", "", str(dtype)) if str(dtype).startswith("Decimal") else str(dtype)
