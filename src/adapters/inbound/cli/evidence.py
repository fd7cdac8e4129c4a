"""``spine captures|rejects|quality|manifest list``: what was recorded about the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import asking, documents, output

if TYPE_CHECKING:
    from .layout import Narrowing
    from .services import CliServices

# Members of an item's JSON document, or what is read from the item itself.
_Columns = Mapping[str, str | Callable[[Any], Any]]

Run = Annotated[str | None, typer.Option("--run", help="Only what this run recorded.")]
Capture = Annotated[str | None, typer.Option("--capture", help="Only this capture.")]


def groups() -> dict[str, typer.Typer]:
    """One group per kind of evidence, each with a list command."""
    commands: dict[str, tuple[Callable[..., None], str]] = {
        "captures": (list_captures, "Captures: observations of a source, by content."),
        "rejects": (list_rejects, "Rows that were refused, with reason, line and raw text."),
        "quality": (list_quality, "Outcomes of quality checks."),
        "manifest": (list_manifest, "Which stage each partition has reached."),
    }
    built: dict[str, typer.Typer] = {}
    for name, (command, help_text) in commands.items():
        group = typer.Typer(help=help_text, no_args_is_help=True, rich_markup_mode=None)
        group.callback()(_group)
        group.command("list")(command)
        built[name] = group
    return built


def _group() -> None:
    """Keep ``list`` a sub-command: a group with one command would swallow its name."""


def list_captures(
    context: typer.Context,
    week: asking.Week = None,
    tier: asking.Tier = None,
    latest: Annotated[bool, typer.Option("--latest", help="Only each partition's newest.")] = False,
    as_of: asking.AsOf = None,
    limit: asking.Limit = 50,
    json: asking.Json = False,
) -> None:
    """List captures, newest week first."""
    with output.errors_shown():
        from ....domain.captures import CaptureFilter

        day = asking.monday(week)
        wanted = CaptureFilter(
            first_period=day,
            last_period=day,
            segment=asking.tier(tier),
            as_of=asking.moment(as_of),
            latest_only=latest,
            limit=limit,
        )
        found = asking.services(context).read_evidence().captures(wanted)
        columns: _Columns = {
            "capture": "id",
            "week": "week_start",
            "tier": "tier",
            "no.": "sequence",
            "captured": lambda c: c.captured_at,
            "updated": "source_updated_on",
            "read": "rows_read",
            "accepted": "rows_accepted",
            "rejected": "rows_rejected",
            "digest": lambda c: c.digest[:12],
            "source": "source_name",
        }
        narrowing = ("digest", "source", "updated", "rejected", "read", "accepted", "no.")
        _print(found, documents.recorded, json, columns, narrowing)


def list_rejects(
    context: typer.Context,
    week: asking.Week = None,
    tier: asking.Tier = None,
    run: Run = None,
    capture: Capture = None,
    reason: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
    as_of: asking.AsOf = None,
    limit: asking.Limit = 50,
    json: asking.Json = False,
) -> None:
    """List refused rows."""
    with output.errors_shown():
        from ....domain.captures import RejectFilter

        services = asking.services(context)
        wanted = RejectFilter(
            period=asking.monday(week),
            segment=asking.tier(tier),
            run=asking.run_id(services, run),
            capture=capture,
            reason=reason,
            as_of=asking.moment(as_of),
            limit=limit,
        )
        found = services.read_evidence().rejects(wanted)
        columns: _Columns = {
            "week": "week_start",
            "tier": "tier",
            "line": "line",
            "reason": "reason",
            "detail": "detail",
            "raw": "raw",
        }
        _print(found, documents.recorded, json, columns, ("detail",))


def list_quality(
    context: typer.Context,
    week: asking.Week = None,
    tier: asking.Tier = None,
    run: Run = None,
    capture: Capture = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only checks that failed.")] = False,
    as_of: asking.AsOf = None,
    limit: asking.Limit = 50,
    json: asking.Json = False,
) -> None:
    """List the outcomes of checks, newest first."""
    with output.errors_shown():
        services = asking.services(context)
        # The store selects by partition only: with --failed the limit holds for what is left.
        wanted = _partitions(services, week, tier, run, capture, as_of, None if failed else limit)
        found = services.read_evidence().quality(wanted)
        if failed:
            found = [item for item in found if item.result.failed][:limit]
        columns: _Columns = {
            "week": "week_start",
            "tier": "tier",
            "check": "check",
            "status": "status",
            "severity": "severity",
            "message": "message",
            "checked": lambda q: q.checked_at,
            "capture": "capture",
        }
        _print(found, documents.checked, json, columns, ("capture", "checked"))


def list_manifest(
    context: typer.Context,
    week: asking.Week = None,
    tier: asking.Tier = None,
    run: Run = None,
    capture: Capture = None,
    as_of: asking.AsOf = None,
    limit: asking.Limit = 50,
    json: asking.Json = False,
) -> None:
    """List the stages that partitions have reached, newest week first."""
    with output.errors_shown():
        services = asking.services(context)
        wanted = _partitions(services, week, tier, run, capture, as_of, limit)
        found = services.read_evidence().manifest(wanted)
        columns: _Columns = {
            "week": "week_start",
            "tier": "tier",
            "stage": "stage",
            "rows": "rows",
            "grade": "grade",
            "blocked": "blocked",
            "reached": lambda m: m.reached_at,
            "capture": "capture",
            "run": "run",
        }
        _print(found, documents.recorded, json, columns, ("run", "capture", "reached"))


def _partitions(
    services: CliServices,
    week: str | None,
    tier: str | None,
    run: str | None,
    capture: str | None,
    as_of: str | None,
    limit: int | None,
) -> Any:
    from ....domain.captures import PartitionFilter

    return PartitionFilter(
        period=asking.monday(week),
        segment=asking.tier(tier),
        run=asking.run_id(services, run),
        capture=capture,
        as_of=asking.moment(as_of),
        limit=limit,
    )


def _print(
    found: Sequence[Any],
    document: Callable[[Any], dict[str, Any]],
    json: bool,
    columns: _Columns,
    narrowing: Narrowing,
) -> None:
    listed = [document(item) for item in found]
    if json:
        output.print_json(listed)
        return
    rows = (
        [told[read] if isinstance(read, str) else read(item) for read in columns.values()]
        for item, told in zip(found, listed, strict=True)
    )
    output.table("", list(columns), rows, narrowing=narrowing)
