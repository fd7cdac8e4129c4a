"""Streams of what happens to runs: one reader for each watched run, however many watch it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field

from ....application.read_runs import ReadRuns
from ....application.watch_run import Look, News, Position, Watch
from ....domain.errors import Category, SpineError, as_spine_error
from ....domain.queueing import Progress
from ....domain.runs import LogLine, Run, RunEvent
from ....v1 import run_service_pb2
from .messages_runs import event_message, line_message, progress_message, run_message
from .resource_names import invalid_field, run_id, run_name
from .run_reading import number
from .work import Threads

PAUSE = 0.2  # seconds between two looks at a run
MOST_WAITING = 1_000  # pieces of news that a watcher may leave unread
MOST_POSITIONS = 10_000
_RUNS_A_SECOND = 1_000  # a large workflow is looked at less often
_PIECE = 500  # pieces of news that are read at once for somebody who catches up
_LONGEST_SILENCE = 60  # looks that may fail one after the other

Response = run_service_pb2.WatchRunResponse
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Heard:
    """What one watcher knows, so that it hears of nothing twice."""

    positions: dict[str, Position]
    without_lines: bool

    def is_new(self, news: News) -> bool:
        """Whether it is; it is not the next time."""
        known = self.positions.get(news.run.id, Position())
        match news.what:
            case RunEvent() as event:
                if event.key <= known.event:
                    return False
                self.positions[news.run.id] = Position(event.key, known.line)
            case LogLine() as line:
                if line.number <= known.line or self.without_lines:
                    return False
                self.positions[news.run.id] = Position(known.event, line.number)
        return True


@dataclass(slots=True, eq=False)
class _Watcher:
    """One stream. ``None`` in its queue is its end; with an ``error`` that is told then."""

    queue: asyncio.Queue[tuple[News, Response] | None] = field(
        default_factory=lambda: asyncio.Queue(MOST_WAITING)
    )
    error: SpineError | None = None

    def tell(self, told: list[tuple[News, Response]]) -> bool:
        """Whether it takes all of it; who does not is cut off."""
        if self.queue.qsize() + len(told) >= MOST_WAITING:
            self.end(_too_slow())
            return False
        for item in told:
            self.queue.put_nowait(item)
        return True

    def end(self, error: SpineError | None = None) -> None:
        """Nothing more is told; with an error, what was not read yet is dropped."""
        if error is not None:
            self.error = error
            while not self.queue.empty():
                self.queue.get_nowait()
        self.queue.put_nowait(None)


@dataclass(slots=True, eq=False)
class _Watched:
    """One run that is watched by some.

    ``ready`` is set once ``watch`` has seen all that there was: what it finds from then on is told.
    """

    watch: Watch
    watchers: set[_Watcher] = field(default_factory=set)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def tell(self, told: list[tuple[News, Response]]) -> None:
        self.watchers = {item for item in self.watchers if item.tell(told)}

    def end(self, error: SpineError | None = None) -> None:
        for watcher in self.watchers:
            watcher.end(error)
        self.watchers.clear()
        self.ready.set()


class RunWatching:
    """Feeds all watchers of a run from one loop that reads it."""

    def __init__(self, read_runs: ReadRuns, threads: Threads) -> None:
        self._read_runs = read_runs
        self._threads = threads
        self._watched: dict[str, _Watched] = {}
        self._draining = False

    async def watch(
        self, request: run_service_pb2.WatchRunRequest
    ) -> AsyncGenerator[Response, None]:
        """What is new of a run, until its end; raises a SpineError where it breaks off."""
        run, heard = run_id(request.name, field="name"), _heard(request)
        own = Watch(self._read_runs, run, dict(heard.positions))
        async for response in self._caught_up(own, heard):
            yield response
        if own.over:
            return
        watched, watcher = self._join(run)
        try:
            await watched.ready.wait()
            # What was seen by the loop before it was ready, nobody was told.
            async for response in self._caught_up(own, heard):
                yield response
            while not own.over and (told := await watcher.queue.get()) is not None:
                news, response = told
                if heard.is_new(news):
                    yield response
            if watcher.error is not None:
                raise watcher.error
        finally:
            self._leave(run, watched, watcher)

    def drain(self) -> None:
        """End all streams: the server stops."""
        self._draining = True
        for watched in self._watched.values():
            watched.end(_stopping())

    async def _caught_up(self, own: Watch, heard: _Heard) -> AsyncGenerator[Response, None]:
        """All that there is by now; with the run in its final state if it has ended."""
        more = True
        while more:
            look = await self._look(own)
            more = look.more
            for item in look.news:
                if not _is_end(item, own.run_id) and heard.is_new(item):
                    yield _response(item)
        if own.over:
            yield _response(News(look.run, "", look.run))

    async def _follow(self, run: str, watched: _Watched) -> None:
        """Look at one run as long as somebody watches it, and tell all what is new."""
        failed = 0
        while watched.watchers:
            try:
                look = await self._look(watched.watch)
            except SpineError as error:
                failed += 1
                if not error.retryable or failed > _LONGEST_SILENCE:
                    watched.end(error)
                    break
            except Exception as error:  # the streams must not wait for ever
                _log.exception("watching run %s failed", run)
                watched.end(as_spine_error(error, doing=f"watching run {run}"))
                break
            else:
                failed = 0
                if watched.ready.is_set():
                    watched.tell([(item, _response(item)) for item in _told(look, run)])
                if look.more:
                    continue
                if look.run.state.final and watched.ready.is_set():
                    watched.end()
                    break
                watched.ready.set()
            await asyncio.sleep(PAUSE + watched.watch.seen / _RUNS_A_SECOND)
        if self._watched.get(run) is watched:
            del self._watched[run]

    async def _look(self, watch: Watch) -> Look:
        return await self._threads.do(lambda: watch.look(_PIECE))

    def _join(self, run: str) -> tuple[_Watched, _Watcher]:
        if self._draining:
            raise _stopping()
        watched = self._watched.get(run)
        watcher = _Watcher()
        if watched is None:
            watched = self._watched[run] = _Watched(Watch(self._read_runs, run))
            watched.watchers.add(watcher)
            watched.task = asyncio.create_task(self._follow(run, watched))
        watched.watchers.add(watcher)
        return watched, watcher

    def _leave(self, run: str, watched: _Watched, watcher: _Watcher) -> None:
        watched.watchers.discard(watcher)
        if not watched.watchers and self._watched.get(run) is watched:
            del self._watched[run]
            if watched.task is not None:
                watched.task.cancel()


def _told(look: Look, run: str) -> Iterator[News]:
    """The news of a look, the run in its final state at the end."""
    yield from (item for item in look.news if not _is_end(item, run))
    if look.run.state.final and not look.more:
        yield News(look.run, "", look.run)


def _is_end(news: News, run: str) -> bool:
    return isinstance(news.what, Run) and news.run.id == run and news.run.state.final


def _response(news: News) -> Response:
    response = Response(source=run_name(news.run.id), step=news.where)
    match news.what:
        case Run() as run:
            response.run.CopyFrom(run_message(run))
        case RunEvent() as event:
            response.event.CopyFrom(event_message(event))
        case LogLine() as line:
            response.line.CopyFrom(line_message(line))
        case Progress() as progress:
            response.progress.CopyFrom(progress_message(progress))
    return response


def _heard(request: run_service_pb2.WatchRunRequest) -> _Heard:
    """Raises a ValidationError for numbers below 0, and for too many steps."""
    if len(request.after_steps) > MOST_POSITIONS:
        raise invalid_field(
            "after_steps",
            f"after_steps names {len(request.after_steps):,} runs",
            hint=f"name at most {MOST_POSITIONS:,}; what is not named is told from its beginning",
        )
    positions = {
        run_id(item.run, field="after_steps.run"): Position(
            number(item, "after_event"), number(item, "after_line")
        )
        for item in request.after_steps
    }
    own = Position(number(request, "after_event"), number(request, "after_line"))
    positions[run_id(request.name, field="name")] = own
    return _Heard(positions, request.without_lines)


def _too_slow() -> SpineError:
    return SpineError(
        f"this stream was not read for so long that {MOST_WAITING:,} pieces of news waited",
        category=Category.RATE_LIMIT,
        retry_after=1.0,
        hint="go on after the numbers that arrived, and read faster",
    )


def _stopping() -> SpineError:
    return SpineError(
        "the server is stopping",
        category=Category.DEPENDENCY,
        retry_after=2.0,
        hint="go on after the numbers that arrived, with another server or in a while",
    )
