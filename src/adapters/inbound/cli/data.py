"""``spine data``: the published datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from . import asking, output

app = typer.Typer(help="Published datasets.", no_args_is_help=True, rich_markup_mode=None)

_TABLE_ROWS = 20


@app.command("list")
def list_datasets(context: typer.Context, json: asking.Json = False) -> None:
    """List the datasets."""
    with output.errors_shown():
        specs = [dataset.spec for dataset in asking.services(context).datasets()]
        if json:
            output.print_json(
                [
                    {
                        "name": spec.name,
                        "description": spec.description,
                        "key": spec.key,
                        "columns": [
                            {
                                "name": column.name,
                                "type": str(column.dtype),
                                "description": column.description,
                            }
                            for column in spec.columns
                        ],
                    }
                    for spec in specs
                ]
            )
        else:
            output.table(
                "",
                ["dataset", "one row per", "description"],
                ((spec.name, ", ".join(spec.key), spec.description) for spec in specs),
            )


@app.command("show")
def show(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(help="Name; see spine data list.")],
    week: asking.Week = None,
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
        Literal["table", "csv", "json", "parquet"],
        typer.Option("--format", "-f", help="How to print."),
    ] = "table",
    target: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file.", metavar="FILE")
    ] = None,
) -> None:
    """Show rows of a dataset, newest week first."""
    with output.errors_shown():
        from ....domain.datasets import DatasetQuery
        from .frames import show_table, write_frames

        reader = asking.services(context).read_datasets()
        day = asking.monday(week)
        shown = limit if limit is not None or form != "table" else _TABLE_ROWS
        more = 1 if form == "table" and limit is None else 0
        query = DatasetQuery(
            first_period=day,
            last_period=day,
            segment=asking.tier(tier),
            symbol=symbol,
            equals=asking.pairs(where or [], "--where"),
            as_of=asking.moment(as_of),
            limit=None if shown is None else shown + more,
        )
        spec = reader.spec(dataset)
        frames = reader.stream(dataset, query)
        if form == "table":
            show_table(spec, frames, shown, target)
        else:
            write_frames(spec, frames, form, target)
