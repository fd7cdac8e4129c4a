"""Following a run over a stream that may break: what was told is not told twice."""

from __future__ import annotations

import random
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from itertools import islice
from math import inf

from ..domain.errors import Category, SpineError
from ..domain.queueing import Progress
from ..domain.runs import LogLine, Run, RunEvent
from ..v1 import run_service_pb2 as pb
from .calls import Calls, build
from .decoding_runs import event_of, line_of, progress_of, run_of
from .decoding_values import last_part
from .encoding import resource

_PATIENCE = 60.0  # seconds without a server
_FIRST_PAUSE = 0.1  # seconds
_LONGEST_PAUSE = 5.0
_MOST_POSITIONS = 10_000  # what a server takes


@dataclass(frozen=True, slots=True)
class RunNews:
    """Something new of the run ``run``, which is the one that is followed or a step of it.

    ``step`` is the way to it from the followed run, "load" or "load/part[3]", empty for that run
    itself. ``what`` is the run as it stands now, an event, a line of its log, or its progress.
    """

    run: str
    step: str
    what: Run | RunEvent | LogLine | Progress


@dataclass(slots=True)
class _Known:
    """What was told of one run."""

    event: int = 0
    line: int = 0
    standing: tuple[object, ...] = ()
    progress: Progress | None = None

    def is_new(self, what: Run | RunEvent | LogLine | Progress) -> bool:
        """Whether it was not told before, which is noted."""
        match what:
            case RunEvent():
                new, self.event = what.key > self.event, max(self.event, what.key)
            case LogLine():
                new, self.line = what.number > self.line, max(self.line, what.number)
            case Run():
                standing = (what.state, what.attempt, what.cancel_requested_at)
                new, self.standing = standing != self.standing, standing
            case Progress():
                new, self.progress = what != self.progress, what
        return new


@dataclass(slots=True)
class RunWatch:
    """The news of one run, over as many streams as it takes.

    Iterating opens them one after the other, with patience for a server that is away. Who has a
    patience of his own opens each by :meth:`stream`.
    """

    calls: Calls
    run_id: str
    after_event: int = 0
    after_line: int = 0
    lines: bool = True
    ended: bool = False
    """Whether a stream has told all, to the run in its final state."""
    _known: dict[str, _Known] = field(default_factory=dict)
    _last_heard: float = 0.0
    _breaks: int = 0
    """Streams that have broken since the last message."""

    def __post_init__(self) -> None:
        self._known[self.run_id] = _Known(self.after_event, self.after_line)

    def __iter__(self) -> Iterator[RunNews]:
        self._last_heard = time.monotonic()
        while not self.ended:
            try:
                for news in self.stream():
                    if news is not None:
                        yield news
            except SpineError as error:
                if not self._goes_on(error):
                    raise
                self._breaks += 1
                pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (self._breaks - 1))
                time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  # spreads clients only

    def told(self, news: RunNews) -> None:
        """Note what was heard elsewhere, so that no stream tells it again."""
        self._known.setdefault(news.run, _Known()).is_new(news.what)

    def stream(self) -> Generator[RunNews | None]:
        """What a stream tells that is new; None for a message in which nothing is.

        Raises a SpineError when it breaks, of category DEPENDENCY when it ends before the run
        does. Another one goes on after what was told.
        """
        stream = self.calls.stream("RunService/WatchRun", self._request(), pb.WatchRunResponse, inf)
        over = False
        for message in stream:
            self._last_heard, self._breaks = time.monotonic(), 0
            news = _news_of(message)
            if news is None:
                yield None
                continue
            known = self._known.setdefault(news.run, _Known())
            if isinstance(news.what, Run) and news.run == self.run_id:
                over = news.what.state.final
                if over:
                    known.standing = ()  # the end is told even where it was the beginning
            yield news if known.is_new(news.what) else None
        # Not before: what a run has told may come after the news that it has ended.
        self.ended = over
        if not over:
            raise SpineError(
                f"the server told no more of run {self.run_id}, which has not ended",
                category=Category.DEPENDENCY,
                hint="follow it again",
            )

    def _goes_on(self, error: SpineError) -> bool:
        """Whether to try again: also after the server has cut a slow reader off."""
        cut_off = error.category is Category.RESOURCE and self._breaks == 0
        waited = time.monotonic() - self._last_heard
        return (error.retryable or cut_off) and waited < _PATIENCE

    def _request(self) -> pb.WatchRunRequest:
        followed = self._known[self.run_id]
        steps = (item for item in self._known.items() if item[0] != self.run_id)
        return build(
            pb.WatchRunRequest,
            name=resource("runs", self.run_id),
            after_event=followed.event,
            after_line=followed.line,
            after_steps=[
                pb.WatchPosition(
                    run=resource("runs", run), after_event=known.event, after_line=known.line
                )
                for run, known in islice(steps, _MOST_POSITIONS)
            ],
            without_lines=not self.lines,
        )


def _news_of(message: pb.WatchRunResponse) -> RunNews | None:
    """The news of a message; None for a kind that this version does not know."""
    what: Run | RunEvent | LogLine | Progress | None = None
    match message.WhichOneof("news"):
        case "run":
            what = run_of(message.run)
        case "event":
            what = event_of(message.event)
        case "line":
            what = line_of(message.line)
        case "progress":
            what = progress_of(message.progress)
    if what is None:
        return None
    return RunNews(last_part(message.source), message.step, what)
