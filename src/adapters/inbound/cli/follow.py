"""Watching a run until it has ended: what happened since the last look, again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from ....domain.errors import SpineError
from ....domain.queueing import Progress
from ....domain.runs import LogLine, Run, RunEvent, RunState
from .step_tree import label

if TYPE_CHECKING:
    from ....application.read_runs import ReadRuns

T = TypeVar("T", RunEvent, LogLine)

_PAGE = 1000
_PAUSE = 0.5  # seconds
_RUNS_A_SECOND = 1_000  # a large workflow is looked at less often
_LONGEST_SILENCE = 120  # looks that may fail one after the other


@dataclass(frozen=True, slots=True)
class News:
    """Something new of a run, or of a part of it; ``where`` is its way from the followed run."""

    run: Run
    where: str
    what: RunEvent | LogLine | Progress


@dataclass(slots=True)
class _Known:
    """What was seen of one run."""

    standing: tuple[object, ...] = ()
    event: int = 0
    line: int = 0
    progress: Progress | None = None


@dataclass(slots=True)
class Watch:
    """Looks at one run and all that is inside it; each look tells only what is new."""

    reader: ReadRuns
    run_id: str
    seen: int = 0
    """How many runs the last look has seen."""
    _known: dict[str, _Known] = field(default_factory=dict)

    def look(self) -> tuple[Run, list[News]]:
        """The run as it stands, and the news in the order in which they happened."""
        # Read before all else: what a final run has told is there completely.
        run = self.reader.get(self.run_id)
        self.seen = 0
        news = list(self._of(run, ""))
        return run, sorted(news, key=_order)

    def _of(self, run: Run, where: str) -> Iterator[News]:
        self.seen += 1
        known = self._known.setdefault(run.id, _Known())
        standing = (run.state, run.attempt, run.cancel_requested_at)
        changed = standing != known.standing
        if not changed and (run.state is not RunState.RUNNING and run.plan is None):
            return
        if not changed and run.state.final:
            return
        known.standing = standing
        # What waits inside a workflow says so only once it goes on: there may be thousands.
        if where == "" or run.state.final or run.attempt or run.cancel_requested_at:
            yield from self._told(run, where, known, changed=changed)
        if run.plan is not None or run.attempt:
            for part in self.reader.parts(run.id):
                yield from self._of(part, f"{where}/{label(part)}" if where else label(part))

    def _told(self, run: Run, where: str, known: _Known, *, changed: bool) -> Iterator[News]:
        if changed or run.id == self.run_id:
            for event in _all(lambda after: self.reader.events(run.id, after=after), known.event):
                known.event = event.key
                yield News(run, where, event)
        for line in _all(lambda after: self.reader.lines(run.id, after=after), known.line):
            known.line = line.number
            yield News(run, where, line)
        if run.state is RunState.RUNNING:
            note = self.reader.progress([run.id]).get(run.id)
            if note is not None and note != known.progress:
                known.progress = note
                yield News(run, where, note)


def until_final(
    watch: Watch,
    told: Callable[[Run, Sequence[News]], None],
    *,
    pause: Callable[[float], None] | None = None,
) -> Run:
    """Look until the run has ended; ``told`` hears of every look. The final run.

    A store that does not answer for a moment is asked again; after a minute its error is raised.
    """
    wait = pause or time.sleep
    failed = 0
    while True:
        try:
            run, news = watch.look()
        except SpineError as error:
            failed += 1
            if not error.retryable or failed > _LONGEST_SILENCE:
                raise
        else:
            failed = 0
            told(run, news)
            if run.state.final:
                return run
        wait(_PAUSE + watch.seen / _RUNS_A_SECOND)


def _all(read: Callable[[int], Sequence[T]], after: int) -> Iterator[T]:
    while page := read(after):
        yield from page
        last = page[-1]
        after = last.key if isinstance(last, RunEvent) else last.number
        if len(page) < _PAGE:
            return


def _order(news: News) -> float:
    """By time; how far a run is now comes last."""
    return float("inf") if isinstance(news.what, Progress) else news.what.at.timestamp()
