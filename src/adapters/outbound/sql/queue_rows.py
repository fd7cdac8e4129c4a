"""A job as a row, and the row as a job."""

from __future__ import annotations

import hashlib
from typing import Any

from ....domain.queueing import Job, QueueState
from ....domain.retries import NO_RETRY, Retry
from .json_text import from_text, to_text
from .schema_runs import RUN_QUEUE

JOB_COLUMNS = [
    RUN_QUEUE.c[name]
    for name in RUN_QUEUE.c.keys()  # noqa: SIM118  # the columns themselves are no names
    if not name.startswith("progress_")
]


def row_of(job: Job) -> dict[str, Any]:
    """All columns but those of progress."""
    retry = None
    if job.retry != NO_RETRY:
        retry = to_text(job.retry.to_dict(), f"the retry of run {job.run}")
    return {
        "run_id": job.run,
        "queue_state": job.state.value,
        "pool": job.pool,
        "pipeline": job.pipeline,
        "priority": job.priority,
        "ranked_at": job.ranked_at,
        "ready_at": job.ready_at,
        "job_key": job.key,
        "job_key_digest": None if job.key is None else key_digest(job.key),
        "attached": int(job.attached),
        "retry_json": retry,
        "timeout_seconds": job.timeout,
        "failures": job.failures,
        "losses": job.losses,
        "attempt_no": job.attempt,
        "fence_no": job.fence,
        "owner_id": job.owner,
        "lease_until": job.lease_until,
        "cancel_requested": int(job.cancel_requested),
    }


def job_of(row: Any) -> Job:
    """The job in a row that has JOB_COLUMNS."""
    retry = row.retry_json
    return Job(
        run=row.run_id,
        pipeline=row.pipeline,
        ranked_at=row.ranked_at,
        state=QueueState(row.queue_state),
        pool=row.pool,
        priority=row.priority,
        ready_at=row.ready_at,
        key=row.job_key,
        attached=row.attached == 1,
        retry=NO_RETRY if retry is None else Retry.from_dict(from_text(retry)),
        timeout=row.timeout_seconds,
        failures=row.failures,
        losses=row.losses,
        attempt=row.attempt_no,
        fence=row.fence_no,
        owner=row.owner_id,
        lease_until=row.lease_until,
        cancel_requested=row.cancel_requested == 1,
    )


def key_digest(key: str) -> str:
    """What stands for a key where keys are compared."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
