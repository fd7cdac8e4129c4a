"""Why a question about a dataset has no answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ....domain.captures import CaptureFilter, Stage
from .commands import command

if TYPE_CHECKING:
    from ....domain.datasets import DatasetQuery, DatasetSpec
    from .use_cases import EvidenceReader


def reason(evidence: EvidenceReader, spec: DatasetSpec, query: DatasetQuery) -> str:
    """What the captures tell about an empty answer, in one sentence with what to do next."""
    if query.limit == 0:
        return "a limit of 0 asks for no rows"
    every = CaptureFilter(domain=spec.domain)
    if not evidence.captures(replace(every, limit=1)):
        how = command("pipelines list")
        return f"nothing of {spec.domain} has been captured yet; {how} shows how"
    known = replace(every, as_of=query.as_of)
    if not evidence.captures(replace(known, limit=1)):
        first = min(capture.captured_at for capture in evidence.captures(every))
        return (
            f"nothing was captured by {query.as_of:%Y-%m-%d %H:%M:%S} UTC; "
            f"the first capture is of {first:%Y-%m-%d %H:%M:%S} UTC"
        )
    asked = replace(
        known,
        first_period=query.first_period,
        last_period=query.last_period,
        segment=query.segment,
    )
    if not evidence.captures(replace(asked, limit=1)):
        return f"there is no capture of {_scope(query)}; {_weeks(evidence, known)}"
    if not evidence.captures(replace(asked, stage=Stage.MEASURED, limit=1)):
        return (
            "what was captured is not measured, or is blocked by its quality; "
            f"see {command('manifest list')} and {command('quality list --failed')}"
        )
    if query.symbol is not None or query.equals:
        return "no row matches the filters"
    return (
        f"{spec.name} has no rows for what was captured: it may need more weeks; "
        f"see {command('quality list --failed')}"
    )


def _scope(query: DatasetQuery) -> str:
    first, last = query.first_period, query.last_period
    parts = []
    if query.segment is not None:
        parts.append(f"tier {query.segment}")
    if first is not None and first == last:
        parts.append(f"the week of {first}")
    elif first is not None or last is not None:
        parts.append(f"the weeks {first or '...'} to {last or '...'}")
    return " in ".join(parts) or "that"


def _weeks(evidence: EvidenceReader, known: CaptureFilter) -> str:
    weeks = {capture.partition.period for capture in evidence.captures(known)}
    if len(weeks) == 1:
        return f"the only week captured is that of {min(weeks)}"
    return f"there are {len(weeks)} weeks, from {min(weeks)} to {max(weeks)}"
