"""``spine pipelines``: what can be run, and with which parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import asking, output
from .commands import execute

if TYPE_CHECKING:
    from .use_cases import ParameterShown, PipelineShown, WorkflowShown

app = typer.Typer(help="What can be run.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_all(context: typer.Context, json: asking.Json = False) -> None:
    """List pipelines and workflows, those of SPINE_MODULES and installed packages included."""
    with output.errors_shown():
        found = asking.services(context)
        rows = [
            *(_line(item, "pipeline") for item in found.pipelines()),
            *(_line(item, "workflow") for item in found.workflows()),
        ]
        if json:
            output.print_json(rows)
        else:
            output.table(
                "",
                ["name", "kind", "origin", "description"],
                ([*row.values()] for row in rows),
                narrowing=("origin", "kind"),
            )


def _line(item: PipelineShown | WorkflowShown, kind: str) -> dict[str, Any]:
    return {
        "name": item.name,
        "kind": kind,
        "origin": item.origin,
        "description": item.description,
    }


@app.command("show")
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Pipeline or workflow.", metavar="NAME")],
    json: asking.Json = False,
) -> None:
    """Show the parameters of a pipeline, or the steps of a workflow."""
    with output.errors_shown():
        found = asking.services(context)
        graph = found.workflows().find(name)
        if graph is not None:
            _show_workflow(graph, json)
        else:
            _show_pipeline(found.pipelines().get(name), json)


def _show_pipeline(item: PipelineShown, json: bool) -> None:
    rows = [_parameter(spec) for spec in item.parameters]
    if json:
        output.print_json({"name": item.name, "description": item.description, "parameters": rows})
        return
    output.say(f"{item.name}: {item.description}")
    if rows:
        columns = ["parameter", "expected", "required", "default", "description", "example"]
        output.table(
            "", columns, ([*row.values()] for row in rows), narrowing=("example", "default")
        )
    else:
        output.say("parameters: none")
    needed = (f" -p {row['name']}={row['example'] or '...'}" for row in rows if row["required"])
    output.say(f"run it: {execute(item.name + ''.join(needed))}", whole=True)


def _parameter(spec: ParameterShown) -> dict[str, Any]:
    return {
        "name": spec.name,
        "expected": spec.expected,
        "required": spec.required,
        "default": _default(spec),
        "description": spec.doc.description,
        "example": spec.doc.example,
    }


def _default(spec: ParameterShown) -> str | None:
    """The default, unless it is to be hidden, or is that nothing is given."""
    from ....domain.parameters import plain

    if spec.required or spec.default is None or spec.doc.secret:
        return None
    return str(plain(spec.default))


def _show_workflow(graph: WorkflowShown, json: bool) -> None:
    rows: list[dict[str, Any]] = [
        {
            "step": step.name,
            "runs": step.pipeline or "a function",
            "after": ", ".join(step.after) or None,
            "parameters": ", ".join(
                f"{name}={value}" for name, value in sorted(step.parameters.items())
            ),
        }
        for step in graph.steps
    ]
    if json:
        output.print_json(
            {
                "name": graph.name,
                "description": graph.description,
                "parameters": list(graph.inputs),
                "steps": rows,
            }
        )
        return
    output.say(f"{graph.name}: {graph.description}")
    output.say(f"parameters: {', '.join(graph.inputs) or 'none'}")
    output.table("", ["step", "runs", "after", "parameters"], ([*row.values()] for row in rows))
