"""``spine captures|rejects|quality|manifest list``: what was recorded about the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from . import asking, output

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
        _print(
            found,
            json,
            {
                "capture": lambda c: c.id,
                "week": lambda c: c.partition.period,
                "tier": lambda c: c.partition.segment,
                "no.": lambda c: c.sequence,
                "captured": lambda c: c.captured_at,
                "updated": lambda c: c.source_updated_on,
                "read": lambda c: c.rows_read,
                "accepted": lambda c: c.rows_accepted,
                "rejected": lambda c: c.rows_rejected,
                "digest": lambda c: c.digest[:12],
                "source": lambda c: c.source_name,
            },
        )


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

        wanted = RejectFilter(
            period=asking.monday(week),
            segment=asking.tier(tier),
            run=run,
            capture=capture,
            reason=reason,
            as_of=asking.moment(as_of),
            limit=limit,
        )
        found = asking.services(context).read_evidence().rejects(wanted)
        _print(
            found,
            json,
            {
                "week": lambda r: r.partition.period,
                "tier": lambda r: r.partition.segment,
                "line": lambda r: r.line,
                "reason": lambda r: r.reason,
                "detail": lambda r: r.detail,
                "raw": lambda r: r.raw,
            },
        )


def list_quality(
    context: typer.Context,
    week: asking.Week = None,
    tier: asking.Tier = None,
    run: Run = None,
    capture: Capture = None,
    as_of: asking.AsOf = None,
    limit: asking.Limit = 50,
    json: asking.Json = False,
) -> None:
    """List the outcomes of checks, newest first."""
    with output.errors_shown():
        wanted = _partitions(week, tier, run, capture, as_of, limit)
        found = asking.services(context).read_evidence().quality(wanted)
        _print(
            found,
            json,
            {
                "week": lambda q: q.partition.period,
                "tier": lambda q: q.partition.segment,
                "check": lambda q: q.result.check,
                "status": lambda q: q.result.status,
                "severity": lambda q: q.result.severity,
                "message": lambda q: q.result.message,
                "checked": lambda q: q.checked_at,
            },
        )


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
        wanted = _partitions(week, tier, run, capture, as_of, limit)
        found = asking.services(context).read_evidence().manifest(wanted)
        _print(
            found,
            json,
            {
                "week": lambda m: m.partition.period,
                "tier": lambda m: m.partition.segment,
                "stage": lambda m: m.stage,
                "rows": lambda m: m.rows,
                "grade": lambda m: m.grade,
                "blocked": lambda m: m.blocked,
                "reached": lambda m: m.reached_at,
                "capture": lambda m: m.capture,
                "run": lambda m: m.run,
            },
        )


def _partitions(
    week: str | None,
    tier: str | None,
    run: str | None,
    capture: str | None,
    as_of: str | None,
    limit: int,
) -> Any:
    from ....domain.captures import PartitionFilter

    return PartitionFilter(
        period=asking.monday(week),
        segment=asking.tier(tier),
        run=run,
        capture=capture,
        as_of=asking.moment(as_of),
        limit=limit,
    )


def _print(found: Sequence[Any], json: bool, columns: dict[str, Any]) -> None:
    if json:
        output.print_json(found)
    elif not found:
        output.say("nothing found")
    else:
        output.table("", list(columns), ([read(x) for read in columns.values()] for x in found))
