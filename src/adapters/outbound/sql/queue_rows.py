"""A job as a row, and the row as a job."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from ....domain.queueing import Job, QueueState
from ....domain.retries import NO_RETRY, Retry
from .json_text import from_text, to_text
from .schema_runs import RUN_QUEUE

JOB_COLUMNS = (
    RUN_QUEUE.c.run_id,
    RUN_QUEUE.c.pipeline,
    RUN_QUEUE.c.ranked_at,
    RUN_QUEUE.c.queue_state,
    RUN_QUEUE.c.pool,
    RUN_QUEUE.c.priority,
    RUN_QUEUE.c.ready_at,
    RUN_QUEUE.c.job_key,
    RUN_QUEUE.c.attached,
    RUN_QUEUE.c.retry_json,
    RUN_QUEUE.c.timeout_seconds,
    RUN_QUEUE.c.failures,
    RUN_QUEUE.c.losses,
    RUN_QUEUE.c.attempt_no,
    RUN_QUEUE.c.fence_no,
    RUN_QUEUE.c.owner_id,
    RUN_QUEUE.c.lease_until,
    RUN_QUEUE.c.cancel_requested,
)


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


def job_of(row: Sequence[Any]) -> Job:
    """The job in a row of JOB_COLUMNS, which are those of a Job, in its order."""
    (
        run,
        pipeline,
        ranked_at,
        state,
        pool,
        priority,
        ready_at,
        key,
        attached,
        retry,
        timeout,
        failures,
        losses,
        attempt,
        fence,
        owner,
        lease_until,
        cancel_requested,
    ) = row
    return Job(
        run,
        pipeline,
        ranked_at,
        QueueState(state),
        pool,
        priority,
        ready_at,
        key,
        attached == 1,
        NO_RETRY if retry is None else Retry.from_dict(from_text(retry)),
        timeout,
        failures,
        losses,
        attempt,
        fence,
        owner,
        lease_until,
        cancel_requested == 1,
    )


def key_digest(key: str) -> str:
    """What stands for a key where keys are compared."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
