"""What must hold for each run by itself, and for a workflow and its steps.

A rule yields what is wrong in words that go on from the name of the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..domain.plans import Counts, Plan, next_moves
from ..domain.queueing import QueueState
from ..domain.runs import EventKind, Run, RunState
from .run_judge_record import ENDS, OUTCOMES, RETURNS, Record, Told

Faults = Iterator[str]


def beginning_and_end(told: Told) -> Faults:
    """It begins with its submission, and ends once, as its state says."""
    if not told.events:
        yield "has no event"
        return
    kinds = [event.kind for event in told.events]
    at_once = told.run.step is not None and len(kinds) == 1 and kinds[0] in OUTCOMES
    if kinds[0] is not EventKind.SUBMITTED and not at_once:
        yield f"begins with {kinds[0].value}, not with its submission"
    if kinds.count(EventKind.SUBMITTED) > 1:
        yield "was submitted more than once"
    outcomes = [kind for kind in kinds if kind in OUTCOMES]
    if not told.run.state.final:
        if outcomes:
            yield f"is live, but has ended: {outcomes[0].value}"
        return
    if len(outcomes) != 1:
        yield f"is final with {len(outcomes)} outcomes"
        return
    state = "SUCCEEDED" if outcomes[0] is EventKind.REUSED else outcomes[0].value
    if state != told.run.state.value:
        yield f"has the outcome {outcomes[0].value}"
    if kinds[-1] is not outcomes[0]:
        yield f"went on after its end with {kinds[-1].value}"


def claims_in_turn(told: Told) -> Faults:
    """One claim at a time, each with a higher token, and nobody else ends it."""
    held = None
    fence = 0
    for event in told.events:
        if event.kind is EventKind.CLAIMED:
            if held is not None:
                yield f"was claimed with fence {event.fence} while claim {held.fence} was open"
            if event.fence <= fence:
                yield f"was claimed with fence {event.fence} after fence {fence}"
            held, fence = event, event.fence
        elif event.kind in (*ENDS, *RETURNS):
            needed = event.kind in RETURNS or (event.kind is EventKind.SUCCEEDED and told.leaf)
            if held is None and needed:
                yield f"has {event.kind.value} without a claim"
            named = event.fence or needed
            if held and named and (event.fence, event.owner) != (held.fence, held.owner):
                yield (
                    f"has {event.kind.value} by {event.owner} with fence {event.fence}, but was "
                    f"held by {held.owner} with fence {held.fence}"
                )
            held = None


def executed_as_told(told: Told) -> Faults:
    """It is RUNNING exactly while it is claimed, and its attempts are its claims."""
    if not told.leaf:
        return
    claims = told.claims
    held = bool(claims) and claims[-1].end is None
    if not told.run.state.final and held is not (told.run.state is RunState.RUNNING):
        yield f"is {told.run.state.value}, and {'claimed' if held else 'not claimed'}"
    reused = any(event.kind is EventKind.REUSED for event in told.events)
    if not reused and told.run.attempt != len(claims):
        yield f"counts {told.run.attempt} attempts, but was claimed {len(claims)} times"


def queued_while_live(told: Told) -> Faults:
    """It is in the queue as long as it is live, as its state says."""
    run, job = told.run, told.job
    if run.state.final:
        if job is not None:
            yield f"is final, but still in the queue, {job.state.value}"
        return
    if job is None:
        if told.leaf:
            yield "is live, but in no queue: it would never end"
        return
    if (job.state is QueueState.CLAIMED) is not (run.state is RunState.RUNNING):
        yield f"is {job.state.value} in the queue"
    claims = told.claims
    if job.state is QueueState.CLAIMED and claims:
        claim = claims[-1].event
        if (job.fence, job.owner) != (claim.fence, claim.owner):
            yield (
                f"is held by {job.owner} with fence {job.fence}, but was claimed by {claim.owner} "
                f"with fence {claim.fence}"
            )


def steps_make_workflow(record: Record, told: Told) -> Faults:
    """A workflow ends exactly when its steps have, and as they did."""
    if told.run.plan is None:
        return
    children = [child.run for child in record.children(told.run.id)]
    for (step, item), count in Counter((child.step, child.item) for child in children).items():
        if count > 1:
            where = step if item is None else f"{step}[{item}]"
            yield f"has {count} runs of step {where}: it was done more than once"
    counts: dict[str, Counter[RunState]] = {}
    for child in children:
        counts.setdefault(child.step or "", Counter())[child.state] += 1
    live = [child for child in children if not child.state.final]
    plan = Plan.from_dict(told.run.plan)
    if told.run.state.final and live:
        yield f"is final, but step {live[0].step} is {live[0].state.value}"
    elif told.run.state.final:
        yield from _follows(told.run, plan, counts)
    else:
        yield from _goes_on(told.run, plan, counts, live=bool(live))


def _follows(run: Run, plan: Plan, counts: Counts) -> Faults:
    expected = next_moves(plan, counts).ended
    if run.cancel_requested_at is not None:
        expected = RunState.CANCELLED
    elif plan.attached_to is not None and run.state is RunState.FAILED:
        return  # its process vanished, perhaps before all steps were begun
    if run.state is not expected:
        says = "it is not over" if expected is None else f"it is {expected.value}"
        yield f"does not follow from its steps, by which {says}"


def _goes_on(run: Run, plan: Plan, counts: Counts, *, live: bool) -> Faults:
    if not live:
        yield "is live, but none of its steps: it would never end"
    moves = next_moves(plan, counts)
    late = [step.name for step in moves.start] + [step.name for step, _ in moves.skip]
    if late and run.cancel_requested_at is None:
        yield f"has not gone on with {', '.join(late)}"


RUN_RULES = (beginning_and_end, claims_in_turn, executed_as_told, queued_while_live)
