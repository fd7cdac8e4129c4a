"""Watching a run until it has ended: what happened since the last look, again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from ..domain.queueing import Progress
from ..domain.runs import LogLine, Run, RunEvent, RunState

T = TypeVar("T", RunEvent, LogLine)

_PAGE = 1000


class RunReader(Protocol):
    """Where runs are read: the store, or a server."""

    def get(self, run_id: str) -> Run: ...

    def parts(self, run_id: str) -> Iterator[Run]: ...

    def events(self, run_id: str, *, after: int = 0) -> Sequence[RunEvent]: ...

    def lines(self, run_id: str, *, after: int = 0) -> Sequence[LogLine]: ...

    def progress(self, run_ids: Sequence[str]) -> Mapping[str, Progress]: ...


@dataclass(frozen=True, slots=True)
class Position:
    """How far somebody has heard of a run: the last event and the last log line."""

    event: int = 0
    line: int = 0


@dataclass(frozen=True, slots=True)
class News:
    """Something new of a run, or of a part of it; ``where`` is its way from the watched run.

    A ``Run`` says how it stands now: its state has changed, or it is seen for the first time.
    """

    run: Run
    where: str
    what: Run | RunEvent | LogLine | Progress


@dataclass(frozen=True, slots=True)
class Look:
    """The watched run as it stood before its news were read; ``more`` news are left."""

    run: Run
    news: Sequence[News]
    more: bool


@dataclass(slots=True)
class _Known:
    """What was seen of one run."""

    standing: tuple[object, ...] = ()
    event: int = 0
    line: int = 0
    progress: Progress | None = None


@dataclass(slots=True)
class Watch:
    """Looks at one run and all that is inside it; each look tells only what is new.

    ``positions`` say from where on something is new; without one it is from the beginning.
    """

    reader: RunReader
    run_id: str
    positions: Mapping[str, Position] = field(default_factory=dict)
    seen: int = 0
    """How many runs the last look has seen."""
    over: bool = False
    """Whether a look has seen the run in its final state, and all of its news."""
    _known: dict[str, _Known] = field(default_factory=dict)
    _untold: list[News] = field(default_factory=list)
    """What a look has read that failed then."""

    def look(self, most: int | None = None) -> Look:
        """The news in the order in which they happened; of more than ``most`` the first."""
        # Read before all else: what a final run has told is there completely.
        run = self.reader.get(self.run_id)
        self.seen = 0
        news, self._untold = self._untold, []
        try:
            for item in self._of(run, ""):
                news.append(item)
                if len(news) == most:
                    break
        except BaseException:
            self._untold = news
            raise
        more = len(news) == most
        self.over = run.state.final and not more
        return Look(run, _in_order(news), more)

    def _of(self, run: Run, where: str) -> Iterator[News]:
        self.seen += 1
        known = self._known.get(run.id)
        if known is None:
            before = self.positions.get(run.id, Position())
            known = self._known[run.id] = _Known(event=before.event, line=before.line)
        standing = (run.state, run.attempt, run.cancel_requested_at)
        changed = standing != known.standing
        if not changed and (run.state is not RunState.RUNNING and run.plan is None):
            return
        if not changed and run.state.final:
            return
        # What waits inside a workflow says so only once it goes on: there may be thousands.
        if where == "" or run.state.final or run.attempt or run.cancel_requested_at:
            yield from self._told(run, where, known, changed=changed)
        if run.plan is not None or run.attempt:
            for part in self.reader.parts(run.id):
                yield from self._of(part, f"{where}/{label(part)}" if where else label(part))
        # Not before: a look that is broken off goes on here the next time.
        known.standing = standing

    def _told(self, run: Run, where: str, known: _Known, *, changed: bool) -> Iterator[News]:
        if changed:
            yield News(run, where, run)
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


def label(part: Run) -> str:
    """The step that a run is, with the number of its item."""
    name = part.step or part.pipeline
    return name if part.item is None else f"{name}[{part.item}]"


def _all(read: Callable[[int], Sequence[T]], after: int) -> Iterator[T]:
    while page := read(after):
        yield from page
        last = page[-1]
        after = last.key if isinstance(last, RunEvent) else last.number
        if len(page) < _PAGE:
            return


def _in_order(news: Sequence[News]) -> list[News]:
    """How runs stand comes first, then by time; how far a run is now comes last.

    What one run tells stays in its own order, whatever the clocks said.
    """
    latest: dict[str, float] = {}
    keyed: list[tuple[int, float, int]] = []
    for number, item in enumerate(news):
        match item.what:
            case Run():
                keyed.append((0, 0.0, number))
            case Progress():
                keyed.append((2, 0.0, number))
            case told:
                kind = f"{item.run.id} {type(told).__name__}"
                latest[kind] = max(latest.get(kind, 0.0), told.at.timestamp())
                keyed.append((1, latest[kind], number))
    return [news[number] for _, _, number in sorted(keyed)]
