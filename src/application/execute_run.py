"""Execute a run that this process holds: its code by name, its parameters from the store."""

from __future__ import annotations

import json
import logging
import math
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..domain.errors import (
    ConflictError,
    SpineError,
    TransformError,
    ValidationError,
    as_spine_error,
)
from ..domain.parameters import plain, refers_to_secret
from ..domain.queueing import Lease
from ..domain.redaction import is_masked
from ..domain.result import Result
from ..domain.runs import NOT_KEPT, Run, RunState
from ..ports.execution import Answer, Finished, Task
from ..ports.progress import Progress
from ..ports.runtime import Clock, Secrets
from ..ports.sources import Sources
from ..ports.storage import Store
from .catalog import Catalog
from .context import RunContext, RunOutcome
from .masking import Masking
from .read_datasets import ReadDatasets
from .run_endings import lease_lost
from .run_recorder import RunRecorder
from .telling import Rounds, RunTelling
from .unit_attempts import UNIT_ATTEMPTS

_LARGEST_OUTPUT = 1_000_000  # bytes
_SMALL_OUTPUT = 20_000  # bytes
_FEW_LINES = 50
_KEPT_OF_TRACEBACK = 30  # lines; the last ones say most

log = logging.getLogger(__name__)

Parts = Callable[..., RunOutcome]
"""Runs another pipeline as a part of a run: name, parameters, force, parent and step."""


@dataclass(frozen=True, slots=True)
class _Work:
    """The code of a run with its values in place, and what to hide."""

    do: Callable[[RunContext], Any]
    masking: Masking


@dataclass(frozen=True, slots=True)
class ExecuteRun:
    """One attempt at a run is one transaction: its writes and its outcome commit together.

    A transaction that the store ends for another one's sake is done again as a whole.
    """

    store: Store
    sources: Sources
    datasets: ReadDatasets
    clock: Clock
    progress: Progress
    secrets: Secrets
    catalog: Catalog
    recorder: RunRecorder
    _rounds: Rounds = field(default_factory=Rounds, init=False, repr=False)

    def __call__(
        self, run: Run, lease: Lease, given: Mapping[str, Any], parts: Parts
    ) -> RunOutcome:
        """Do it, and record how it ended. ``given`` are parameters that the store must not hold.

        Whatever goes wrong is in the outcome, whose run is as run history has it.
        """
        outcome = self._done(run, lease, given, parts, alone=True)
        assert isinstance(outcome, RunOutcome)  # noqa: S101  # who is alone records it
        return outcome

    def task(self, task: Task, given: Mapping[str, Any], parts: Parts) -> Answer:
        """Execute a claimed run; what has to be recorded by somebody else, or None.

        That is an error where the store did not take it. A small outcome of a run that has written
        nothing is left to be recorded with others.
        """
        try:
            run = task.known or self._held(task.lease)
            if run is None:
                return lease_lost(task.run)
            done = self._done(run, task.lease, given, parts, alone=False)
            if isinstance(done, Finished):
                return done
        except Exception as error:
            return as_spine_error(error, doing=f"executing run {task.run}")
        return self.recorder.unrecorded(task.run)

    def _done(
        self, run: Run, lease: Lease, given: Mapping[str, Any], parts: Parts, *, alone: bool
    ) -> RunOutcome | Finished:
        telling = RunTelling(run, lease, self.store, self.progress, self.clock.now, self._rounds)
        with telling:
            for left in reversed(range(UNIT_ATTEMPTS)):
                attempt = _Attempt(
                    self, run, lease, telling, parts, may_repeat=left > 0, alone=alone
                )
                outcome = attempt.outcome(given)
                if outcome is not None:
                    return outcome
        raise AssertionError("the last attempt has an outcome")

    def _held(self, lease: Lease) -> Run | None:
        """The run, as long as the lease is the present one."""
        with self.store.read() as unit:
            job = unit.queue.get(lease.run)
            if job is None or job.lease != lease:
                return None
            return unit.runs.get(lease.run)

    def work(self, run: Run, given: Mapping[str, Any]) -> _Work:
        """Raises a SpineError for code, parameters or secrets that are not there."""
        code = self.catalog.runnable(run.pipeline)
        values = {**run.parameters, **given}
        for spec in code.specs:
            value = values.get(spec.name)
            if spec.doc.secret and refers_to_secret(value):
                values[spec.name] = self.secrets.reveal(str(value))
            elif spec.name not in given and is_masked(value):
                raise ValidationError(
                    f"the value of {spec.name}, which is or holds a secret, is not known to this "
                    "process",
                    hint="say where it is kept: env:NAME or file:PATH; or run it with spine run",
                )
        typed = code.values(values)
        masking = Masking.of(code.specs, typed).also(given.values())
        return _Work(lambda context: code.function(context, **typed), masking)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt at a run, within this process."""

    use: ExecuteRun
    run: Run
    lease: Lease
    telling: RunTelling
    parts: Parts
    may_repeat: bool
    alone: bool

    def outcome(self, given: Mapping[str, Any]) -> RunOutcome | Finished | None:
        """None when a conflict undid it and it may be repeated."""
        try:
            work = self.use.work(self.run, given)
        except Exception as error:
            return self._failed(as_spine_error(error, doing=f"run {self.run.id}"))
        context = self._context(work)
        try:
            return self._conclude(context, work)
        except Exception as error:
            context.close()
            failed = as_spine_error(error, doing=f"run {self.run.id}").within(context.where)
            return self._failed(failed)
        except (KeyboardInterrupt, SystemExit):
            context.close()
            stopped = SpineError("the run was interrupted", hint="run it again")
            ended = self._finished(Result.failure(stopped), RunState.CANCELLED)
            self.use.recorder.end(self.lease, ended)
            raise
        finally:
            context.close()

    def _failed(self, error: SpineError) -> RunOutcome:
        result: Result[Any] = Result.failure(error)
        return RunOutcome(self.use.recorder.end(self.lease, self._finished(result)), result)

    def _context(self, work: _Work) -> RunContext:
        return RunContext(
            self.run,
            force=self.run.force,
            store=self.use.store,
            sources=self.use.sources,
            datasets=self.use.datasets,
            telling=self.telling,
            execute=self.parts,
            hide=work.masking.text,
        )

    def _conclude(self, context: RunContext, work: _Work) -> RunOutcome | Finished | None:
        """Do the work, then commit its writes with its outcome, or record the failure alone."""
        started = self.use.clock.monotonic()
        result = self._attempt(context, work)
        output, size, lost = _output(result, work.masking)
        if lost is not None:
            context.warn(lost)
            result = replace(result, warnings=(*result.warnings, lost))
        found = {"partition": context.partition or self.run.partition, "output": output}
        small = size <= _SMALL_OUTPUT and self.telling.lines <= _FEW_LINES
        if result.ok and not self.alone and small and not context.has_written:
            self.telling.pause()
            lines = self.telling.take_lines()
            return Finished(result.metrics, result.warnings, lines=lines, **found)
        result = wanted = result.timed(self.use.clock.monotonic() - started)
        run = replace(self._finished(result), **found)
        recorder = self.use.recorder
        try:
            recorded = context.finish(
                run, lambda unit, ended: recorder.record(unit, self.lease, ended)
            )
            if recorded is not None:
                return RunOutcome(recorded, result)
        except Exception as error:
            log.debug("commit failed", exc_info=True)
            failed = as_spine_error(error, doing=f"committing run {run.id}").within(context.where)
            result = Result.failure(failed, warnings=result.warnings).timed(result.duration)
        context.close()
        if self.may_repeat and _own_conflict(result.error, run):
            log.info("run %s is done again: %s", run.id, result.error)
            return None
        known = self._end(replace(self._finished(result), **found))
        # A commit may raise when it has taken effect: what run history says counts.
        took_effect = known.state is run.state and _told(known.error) == _told(run.error)
        return RunOutcome(known, wanted if took_effect else result)

    def _end(self, run: Run) -> Run:
        self.telling.pause()
        try:
            return self.use.recorder.end(self.lease, run, self.telling.write_lines)
        finally:
            self.telling.resume()

    def _attempt(self, context: RunContext, work: _Work) -> Result[Any]:
        name = self.run.pipeline
        try:
            result = _as_result(work.do(context))
        except SystemExit as error:
            context.close()
            result = Result.failure(
                TransformError(
                    f"pipeline {name} asked the process to exit ({error.code})",
                    hint="return Result.failure(...) instead of calling sys.exit",
                )
            )
        except Exception as error:
            context.discard()  # what a raising pipeline wrote is never kept
            if not isinstance(error, SpineError):
                # As text, because the values of secret parameters may stand in it.
                told = work.masking.text(traceback.format_exc())
                log.error("pipeline %s failed\n%s", name, told)  # noqa: TRY400
                for line in told.splitlines()[-_KEPT_OF_TRACEBACK:]:
                    self.telling.keep_line("ERROR", line)
            result = Result.failure(as_spine_error(error, doing=f"pipeline {name}"))
        if result.error is not None:
            result.error.within(context.where)
        if context.warnings:
            result = replace(result, warnings=(*context.warnings, *result.warnings))
        return work.masking.result(result)

    def _finished(self, result: Result[Any], state: RunState | None = None) -> Run:
        return replace(
            self.run,
            state=state or (RunState.SUCCEEDED if result.ok else RunState.FAILED),
            finished_at=self.use.clock.now(),
            metrics=result.metrics,
            warnings=result.warnings,
            error=result.error,
        )


def _own_conflict(error: SpineError | None, run: Run) -> bool:
    """Whether the store ended this run's transaction; a child's has been repeated already."""
    return isinstance(error, ConflictError) and error.context.run == run.id


def _told(error: SpineError | None) -> dict[str, Any] | None:
    return None if error is None else error.to_dict()


def _output(result: Result[Any], masking: Masking) -> tuple[Any, int, str | None]:
    """What later steps get of a result, its size, and why it is nothing although it has a value.

    A pipeline that returns metrics alone passes these on.
    """
    value = plain(result.metrics or None if result.value is None else result.value)
    if value is None:
        return None, 0, None
    try:
        size = len(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        return None, 0, f"{NOT_KEPT}, as it is no JSON value: {error}"
    if size > _LARGEST_OUTPUT:
        lost = (
            f"{NOT_KEPT}, as it has {size:,} bytes of JSON, more than "
            f"{_LARGEST_OUTPUT:,}: return where it is instead"
        )
        return None, 0, lost
    return masking.plain(value), size, None


def _as_result(returned: Any) -> Result[Any]:
    """A pipeline may return the envelope itself, a mapping of metrics, or nothing."""
    if returned is None:
        return Result.success()
    if isinstance(returned, Mapping):
        returned = Result.success(metrics=returned)
    if not isinstance(returned, Result):
        raise TypeError(
            "a pipeline returns a Result, a mapping of metrics or None, not "
            + type(returned).__name__
        )
    if not returned.metrics:
        return returned
    metrics = {name: _metric(name, value) for name, value in returned.metrics.items()}
    return replace(returned, metrics=metrics)


def _metric(name: str, value: Any) -> Any:
    """A metric that every store and reader can take: what JSON has no number for is null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"metric {name!r} is a {type(value).__name__}, not a number or text")
