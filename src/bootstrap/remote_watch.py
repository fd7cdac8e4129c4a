"""What happens to a run of a server, look by look as of a store, but over one stream."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

from ..application.watch_run import Look, News, RunReader, Watch
from ..client.run_watch import RunNews, RunWatch
from ..client.runs import Runs
from ..domain.errors import SpineError
from ..domain.runs import Run


@dataclass(slots=True)
class RemoteWatch:
    """Looks at one run of a server: at all that there is first, then at what happens next.

    The first look reads what a look at a store reads, and tells it in the same order. Each one
    after it waits until there is news. A look that fails ends the stream, and the next one opens
    another, which goes on after what was told.
    """

    reader: RunReader
    runs: Runs
    run_id: str
    pause: float = 0.0
    """Seconds until the next look: it waits by itself."""
    _known: dict[str, Run] = field(default_factory=dict)
    """The runs of which was told, as they stood last."""
    _run: Run | None = None
    """The followed run, in its final state only once all is told."""
    _streams: RunWatch = field(init=False)
    _stream: Generator[RunNews | None] | None = None

    def __post_init__(self) -> None:
        self._streams = self.runs.watching(self.run_id)

    def look(self) -> Look:
        """What is new; nothing when the server answers again, and when the run has ended."""
        if self._run is None:
            return self._first()
        if self._stream is None:
            self._stream = self._streams.stream()
        told: list[News] = []
        try:
            news = next(self._stream, None)
        except SpineError:
            self._stream = None
            raise
        if self._streams.ended:
            self._run = self._known[self.run_id]
        elif news is not None:
            told = self._told(news)
        return Look(self._run, told, more=False)

    def close(self) -> None:
        """End the stream."""
        if self._stream is not None:
            self._stream.close()

    def _first(self) -> Look:
        look = Watch(self.reader, self.run_id).look()
        for item in look.news:
            self._known[item.run.id] = item.run
            self._streams.told(RunNews(item.run.id, item.where, item.what))
        self._run = look.run
        return look

    def _told(self, news: RunNews) -> list[News]:
        if not isinstance(news.what, Run):
            run = self._known.get(news.run) or self.runs.get(news.run)
            return [News(run, news.step, news.what)]
        self._known[news.run] = news.what
        if news.run == self.run_id and not news.what.state.final:
            self._run = news.what
        return []
