"""What a run tells while it is executed, and what it is told: progress and log out, cancel in.

One thread looks after all runs of a process every second: short ones pay nothing for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from types import TracebackType
from typing import Self

from ..domain.errors import SpineError
from ..domain.queueing import Lease
from ..domain.queueing import Progress as ProgressNote
from ..domain.runs import LogLine, Run
from ..ports.progress import Progress, ProgressTask
from ..ports.storage import Store, UnitOfWork
from .run_endings import cancelled, lease_lost

MOST_LINES = 1_000
"""So many lines of an attempt's log are kept; the last one says that there were more."""

EVERY = 1.0
"""Seconds between two looks after what a run tells and is told."""

log = logging.getLogger(__name__)


class Rounds:
    """A thread that looks after all runs that are under way, as long as there are any."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._under_way: set[RunTelling] = set()
        self._walking = False

    def add(self, telling: RunTelling) -> None:
        with self._guard:
            self._under_way.add(telling)
            if not self._walking:
                self._walking = True
                threading.Thread(target=self._walk, name="telling", daemon=True).start()

    def remove(self, telling: RunTelling) -> None:
        with self._guard:
            self._under_way.discard(telling)

    def _walk(self) -> None:
        while True:
            time.sleep(EVERY)
            with self._guard:
                present = tuple(self._under_way)
                if not present:
                    self._walking = False
                    return
            for telling in present:
                telling.look_after()


class RunTelling:
    """Implements Progress for one run, keeps its log, and knows whether it is to end.

    Progress is shown by ``shown`` as well. Use it as a context: outside of it nothing is written.
    """

    def __init__(
        self,
        run: Run,
        lease: Lease,
        store: Store,
        shown: Progress,
        now: Callable[[], datetime],
        rounds: Rounds,
    ) -> None:
        self._run = run
        self._lease = lease
        self._store = store
        self._shown = shown
        self._now = now
        self._rounds = rounds
        self._guard = threading.Lock()
        self._lines: list[LogLine] = []
        self._told = 0
        # Attempts before this one have numbered their lines as well.
        self._first = MOST_LINES * max(run.attempt - 1, 0)
        self._note: ProgressNote | None = None
        self._known: ProgressNote | None = None
        self._ended: SpineError | None = None
        self._writing = threading.Lock()
        self._paused = False
        self._over = False
        self._looking = threading.Lock()

    def __enter__(self) -> Self:
        self._rounds.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._rounds.remove(self)
        with self._looking:  # what was begun is over
            self._over = True

    @property
    def lines(self) -> int:
        """How many lines were told so far."""
        return self._told

    def check(self) -> None:
        """Raise what ends the run, if anything does."""
        if self._ended is not None:
            raise self._ended

    def task(
        self, label: str, *, total: int | None = None, unit: str = ""
    ) -> AbstractContextManager[ProgressTask]:
        self.check()
        return self._task(label, total, unit)

    @contextmanager
    def _task(self, label: str, total: int | None, unit: str) -> Iterator[ProgressTask]:
        outer = self._note
        self._note = ProgressNote(label, 0, total, unit)
        try:
            with self._shown.task(label, total=total, unit=unit) as shown:
                yield _Task(self, shown)
        finally:
            self._note = outer

    def advanced(self, amount: int, text: str | None) -> None:
        """Note what a task told; called by the task."""
        self.check()
        note = self._note
        if note is not None:
            label = note.label if text is None else text
            self._note = ProgressNote(label, note.done + amount, note.total, note.unit)

    def keep_line(self, level: str, text: str) -> None:
        """Keep a line of the run's log, as far as there is room."""
        with self._guard:
            self._told += 1
            if self._told < MOST_LINES:
                self._keep(level, text)
            elif self._told == MOST_LINES:
                self._keep("WARNING", "further lines are not kept")

    def _keep(self, level: str, text: str) -> None:
        number = self._first + self._told
        self._lines.append(LogLine(self._run.id, number, self._now(), level, text))

    def pause(self) -> None:
        """Write nothing from now on: the run's own transaction may hold what a writer needs."""
        if not self._paused:
            self._writing.acquire()
            self._paused = True

    def resume(self) -> None:
        """The run's own transaction is over."""
        if self._paused:
            self._paused = False
            self._writing.release()

    def write_lines(self, unit: UnitOfWork) -> None:
        """Write the lines that are not written yet, with whatever else ``unit`` writes.

        Only while it is paused.
        """
        with self._guard:
            lines = tuple(self._lines)
        if lines:
            unit.journal.log(lines)

    def take_lines(self) -> tuple[LogLine, ...]:
        """The lines that are not written yet, for another one to write. Only while it is paused."""
        with self._guard:
            lines = tuple(self._lines)
            self._lines.clear()
        return lines

    def look_after(self) -> None:
        """Tell what is new, and ask whether the run is to end; called by the rounds."""
        with self._looking:
            if self._over:
                return
            try:
                self._look()
                note = self._note
                if (note != self._known or self._lines) and self._write(note):
                    self._known = note
            except Exception as error:  # the next second is another chance
                log.debug("what run %s tells was not taken: %s", self._run.id, error)

    def _look(self) -> None:
        with self._store.read() as unit:
            job = unit.queue.get(self._run.id)
        if job is None or job.lease != self._lease:
            self._ended = lease_lost(self._run.id)
        elif job.cancel_requested:
            self._ended = cancelled(self._run.id, self._run.pipeline, self._run.step)

    def _write(self, note: ProgressNote | None) -> bool:
        if not self._writing.acquire(blocking=False):
            return False
        try:
            with self._guard:
                lines = tuple(self._lines)
            with self._store.write() as unit:
                if note is not None:
                    unit.journal.note_progress(self._run.id, note)
                if lines:
                    unit.journal.log(lines)
                unit.commit()
            with self._guard:
                del self._lines[: len(lines)]
        finally:
            self._writing.release()
        return True


class _Task:
    def __init__(self, telling: RunTelling, shown: ProgressTask) -> None:
        self._telling = telling
        self._shown = shown

    def advance(self, amount: int = 1) -> None:
        self._shown.advance(amount)
        self._telling.advanced(amount, None)

    def describe(self, text: str) -> None:
        self._shown.describe(text)
        self._telling.advanced(0, text)
