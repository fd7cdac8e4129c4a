"""What was recorded, as flat JSON objects with the datasets' names for week and tier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import output

if TYPE_CHECKING:
    from ....domain.captures import Capture, LineageEdge, ManifestEntry, Reject
    from ....domain.quality import QualityResult
    from ....domain.queueing import Job
    from ....domain.runs import Run, RunEvent


def recorded(
    item: Capture | ManifestEntry | Reject | LineageEdge | QualityResult,
) -> dict[str, Any]:
    """Its fields, with ``domain``, ``week_start`` and ``tier`` in place of the partition."""
    document: dict[str, Any] = output.plain(item)
    for own in ("key", "capture_sequence"):  # the store's own numbers
        document.pop(own, None)
    flat: dict[str, Any] = {}
    for name, value in document.items():
        if name == "partition":
            part = value or dict.fromkeys(("domain", "period", "segment"))
            flat["domain"] = part["domain"]
            flat["week_start"] = part["period"]
            flat["tier"] = part["segment"]
        else:
            flat[name] = value
    return flat


def checked(item: QualityResult) -> dict[str, Any]:
    """A check's outcome and what was checked, in one object."""
    document = recorded(item)
    result = document.pop("result")
    return {**document, **result}


def executed(run: Run) -> dict[str, Any]:
    """A run, with its duration in seconds, and without the plan of a workflow."""
    document: dict[str, Any] = output.plain(run)
    document.pop("plan")
    return {**document, "duration": run.duration}


def happened(event: RunEvent) -> dict[str, Any]:
    """What happened to a run."""
    document: dict[str, Any] = output.plain(event)
    for own in ("key", "fence"):  # the store's own numbers
        document.pop(own)
    return document


def planned(plan: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The steps of a workflow's run, with those inside them; not by whom they are executed."""
    if plan is None:
        return None
    steps = (output.by_name(step) for step in plan["steps"])
    return {"steps": [{**step, "plan": planned(step["plan"])} for step in steps]}


def queued(job: Job | None) -> dict[str, Any] | None:
    """How a live run stands in the queue."""
    if job is None:
        return None
    document: dict[str, Any] = output.plain(job)
    for own in ("run", "pipeline", "ranked_at", "fence"):
        document.pop(own)
    return document
