"""What a pipeline's function gets to work with while it runs."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any, cast

import polars as pl

from ..domain.datasets import DatasetQuery
from ..domain.errors import ErrorContext
from ..domain.redaction import redact
from ..domain.result import Result
from ..domain.runs import Run
from ..ports.progress import Progress
from ..ports.sources import Source, Sources
from ..ports.storage import Store, UnitOfWork
from .read_datasets import ReadDatasets
from .telling import RunTelling


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """A finished run and the envelope that its pipeline returned."""

    run: Run
    result: Result[Any]


class _Uncommitted:
    """A unit of work as a pipeline sees it: its commit is the dispatcher's, with the outcome."""

    def __init__(self, unit: UnitOfWork) -> None:
        self._unit = unit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unit, name)

    def commit(self) -> None:
        raise RuntimeError("a run's writes are committed with its outcome, by whoever runs it")


class _RunLog(logging.LoggerAdapter[logging.Logger]):
    """A run's log: tells which run speaks, hides what must not be told, and keeps it."""

    def __init__(self, run: Run, hide: Callable[[str], str], keep: Callable[..., None]) -> None:
        extra = {"run": run.id, "pipeline": run.pipeline}
        super().__init__(logging.getLogger("market_spine.run"), extra)
        self._hide = hide
        self._keep = keep

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        kept = level >= logging.INFO
        if not kept and not self.isEnabledFor(level):
            return
        # The arguments may be what is to be hidden, and so may an exception's text.
        text = str(msg) % args if args else str(msg)
        error = kwargs.pop("exc_info", None)
        if error:
            if not isinstance(error, BaseException):
                error = sys.exc_info()[1]
            text += "\n" + "".join(traceback.format_exception(error))
        shown = self._hide(text)
        if kept:
            self._keep(logging.getLevelName(level), shown)
        super().log(level, "%s", shown, **kwargs)


class RunContext:
    """One run's access to the world.

    All that is written through :meth:`unit_of_work` commits together with the run's outcome, or
    not at all. ``force`` asks for the work to be done although it was done before. ``partition``
    names what the run is about, and may be set by a pipeline that finds out only now.

    Whatever is asked of the context ends a run that is to be cancelled, by an exception; so does
    progress that is told. A long calculation in between asks :meth:`check` now and then.
    """

    def __init__(
        self,
        run: Run,
        *,
        force: bool,
        store: Store,
        sources: Sources,
        datasets: ReadDatasets,
        telling: RunTelling,
        execute: Callable[..., RunOutcome],
        hide: Callable[[str], str] = redact,
    ) -> None:
        self.run = run
        self.force = force
        self.progress: Progress = telling
        self.partition = run.partition
        self.log = _RunLog(run, hide, telling.keep_line)
        self._telling = telling
        self._store = store
        self._sources = sources
        self._datasets = datasets
        self._execute = execute
        self._hide = hide
        self._stack = ExitStack()
        self._unit: UnitOfWork | None = None
        self._warnings: list[str] = []
        self._keep_on_failure = False

    @property
    def run_id(self) -> str:
        return self.run.id

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self._warnings)

    @property
    def where(self) -> ErrorContext:
        """The context that errors of this run carry."""
        return ErrorContext(run=self.run.id, pipeline=self.run.pipeline, step=self.run.step)

    def check(self) -> None:
        """End the run here when it is to be cancelled, or was taken over by another process."""
        self._telling.check()

    def source(self, type: str, **options: Any) -> Source:
        """A source of a registered type; opening it reads nothing yet."""
        self.check()
        return self._sources.open(type, **options)

    def dataset(self, name: str, query: DatasetQuery | None = None) -> pl.DataFrame:
        """Rows of a published dataset, all of them or those that ``query`` asks for.

        Raises a ValidationError for an unknown dataset, column or value.
        """
        self.check()
        return self._datasets.frame(name, query or DatasetQuery())

    def unit_of_work(self) -> UnitOfWork:
        """The run's one write transaction, begun at the first call.

        Call it late: others wait with their writing from then on. The dispatcher commits it
        together with the run's outcome.
        """
        self.check()
        return cast("UnitOfWork", _Uncommitted(self._open()))

    def _open(self) -> UnitOfWork:
        if self._unit is None:
            self._telling.pause()
            self._unit = self._stack.enter_context(self._store.write())
        return self._unit

    def read(self) -> AbstractContextManager[UnitOfWork]:
        """A read-only snapshot, apart from the run's own transaction."""
        return self._store.read()

    def warn(self, message: str) -> None:
        """Add a warning to the run's result."""
        shown = self._hide(message)
        self._warnings.append(shown)
        self.log.warning("%s", shown)

    def keep_writes_on_failure(self) -> None:
        """Commit what was written also when the pipeline returns a failure.

        For evidence: the rejects and checks that say why a load was refused. What a pipeline
        wrote that raises is never kept.
        """
        self._keep_on_failure = True

    def execute(
        self, name: str, parameters: Mapping[str, Any], *, step: str | None = None
    ) -> RunOutcome:
        """Run another pipeline now, as a part of this run, in a transaction of its own.

        Not while this run's own transaction is open: the two would wait for each other.
        """
        if self._unit is not None:
            raise RuntimeError("execute() must come before unit_of_work()")
        self.check()
        return self._execute(name, parameters, force=self.force, parent=self.run.id, step=step)

    # For the dispatcher

    @property
    def has_written(self) -> bool:
        """Whether there is anything to be committed with the outcome."""
        return self._unit is not None

    def finish(self, run: Run, record: Callable[[UnitOfWork, Run], Run]) -> Run | None:
        """Commit the run's writes with the outcome that ``record`` writes; the run as it then is.

        None when the writes must not stay: a failure that is recorded without them.
        """
        if run.error is not None and not self._keep_on_failure:
            return None
        unit = self._open()
        recorded = record(unit, run)
        self._telling.write_lines(unit)
        unit.commit()
        return recorded

    def discard(self) -> None:
        """End the transaction of a pipeline that raised; what it asked to keep is not kept."""
        self._keep_on_failure = False
        self.close()

    def close(self) -> None:
        """End the transaction; what is not committed is rolled back."""
        self._unit = None
        try:
            self._stack.close()
        finally:
            self._telling.resume()
