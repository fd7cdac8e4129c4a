"""What happened to a run, and what it waits for, in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ....domain.queueing import QueueState
from ....domain.runs import EventKind
from .cells import cell
from .times import spoken

if TYPE_CHECKING:
    from ....domain.queueing import Job
    from ....domain.runs import RunEvent


def standing(job: Job) -> str:
    """Where a live run stands in the queue, and who or what moves it on."""
    if job.state is QueueState.CLAIMED:
        ends = "" if job.lease_until is None else f", whose lease ends {cell(job.lease_until)}"
        return f"CLAIMED by {process(job.owner)}{ends}"
    if job.state is QueueState.HELD:
        return f"HELD until the other run with the key {job.key} is over"
    if job.state is QueueState.WAITING:
        more = ""
        if job.failures:
            more = f", then attempt {job.failures + 1} of {job.retry.attempts}"
        return f"WAITING until {cell(job.ready_at)}{more}"
    return f"READY for the next free worker of pool {job.pool}"


def happened(event: RunEvent) -> str:
    """What an event says beyond its kind."""
    found, detail = _error(event.detail), event.detail
    if event.kind is EventKind.RETRY_SCHEDULED:
        again = f"again in {spoken(float(detail.get('pause') or 0))}"
        if "attempts" in detail:
            again += f", of {detail['attempts']} attempts in all"
        return f"{found}; {again}" if found else again
    if event.kind is EventKind.SUBMITTED:
        return f"goes on with run {detail['retry_of']}" if "retry_of" in detail else ""
    if event.kind is EventKind.REUSED:
        return f"done by run {detail.get('run')}"
    return found or _PLAIN.get(event.kind, "")


def process(owner: str | None) -> str | None:
    """Host and number of the process that executes a run: what a person looks for."""
    return None if owner is None else "/".join(owner.partition("#")[0].split("/")[:2])


def moment(at: datetime) -> str:
    """A time to the second, UTC."""
    return cell(at)


_PLAIN = {
    EventKind.LEASE_LOST: "its process vanished",
    EventKind.RELEASED: "its worker gave it back",
    EventKind.CANCEL_REQUESTED: "it is to end",
}


def _error(detail: Mapping[str, Any]) -> str:
    error = detail.get("error")
    if not isinstance(error, Mapping):
        return ""
    return f"{error.get('category')}: {error.get('message')}"
