"""How runs end that do not end by themselves, in the words of their errors."""

from __future__ import annotations

from ..domain.errors import Category, ErrorContext, LeaseLostError, SpineError
from ..domain.queueing import Job
from ..domain.runs import Run


def lease_lost(run_id: str) -> LeaseLostError:
    """The error of a process that wanted to finish what is not its own any more."""
    return LeaseLostError(
        f"run {run_id} was taken over or closed by another process while it was running",
        hint="nothing of this attempt was kept; spine runs show tells how the run goes on",
        context=ErrorContext(run=run_id),
    )


def cancelled(
    run_id: str, pipeline: str, step: str | None = None, *, killed_after: float | None = None
) -> SpineError:
    """What a run that was cancelled says of itself.

    ``killed_after`` are the seconds that it was given to end by itself, if it did not.
    """
    killed = "" if killed_after is None else f", and killed: it did not end in {killed_after:g} s"
    return SpineError(
        f"the run was cancelled{killed}",
        category=Category.TRANSIENT,
        hint=f"spine runs retry {run_id} goes on with it",
        retryable=False,
        context=ErrorContext(run=run_id, pipeline=pipeline, step=step),
    )


def vanished(run: Run, job: Job | None, losses: int) -> SpineError:
    """Why a run has failed whose process is gone."""
    context = ErrorContext(run=run.id, pipeline=run.pipeline, step=run.step)
    if job is not None and not job.attached:
        return SpineError(
            f"{losses} processes that executed the run vanished before it was finished",
            category=Category.RESOURCE,
            hint="it most likely ends them itself: look for its use of memory, then retry it",
            context=context,
        )
    return SpineError(
        "the process that executed the run ended before it was finished",
        category=Category.TRANSIENT,
        hint="nothing of it was committed; run it again",
        retryable=True,
        context=context,
    )
