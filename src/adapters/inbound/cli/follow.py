"""Watching a run until it has ended: again and again, with patience for a store that is away."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ....application.watch_run import Look, News, RunReader, Watch
from ....domain.errors import SpineError
from ....domain.runs import Run
from .commands import command
from .outage import Outage

if TYPE_CHECKING:
    from .use_cases import RunWatcher

_PAUSE = 0.5  # seconds between two looks, and after one that has failed
_RUNS_A_SECOND = 1_000  # a large workflow is looked at less often


class StoreWatch:
    """Looks at a run of a store, which says nothing by itself: twice a second."""

    def __init__(self, reader: RunReader, run_id: str) -> None:
        self._watch = Watch(reader, run_id)

    @property
    def run_id(self) -> str:
        return self._watch.run_id

    @property
    def pause(self) -> float:
        return _PAUSE + self._watch.seen / _RUNS_A_SECOND

    def look(self) -> Look:
        return self._watch.look()


def until_final(
    watch: RunWatcher,
    told: Callable[[Run, Sequence[News]], None],
    *,
    pause: Callable[[float], None] | None = None,
) -> Run:
    """Look until the run has ended; ``told`` hears of every look. The final run.

    Who does not answer for a moment is asked again; after a minute the error is raised.
    """
    wait = pause or time.sleep
    outage = Outage(
        "not followed any more; the run goes on: "
        f"{command(f'runs show {watch.run_id} --follow')} follows it again"
    )
    while True:
        try:
            look = watch.look()
        except SpineError as error:
            outage.goes_on(error)
            wait(_PAUSE)
        else:
            outage.over()
            told(look.run, [item for item in look.news if not isinstance(item.what, Run)])
            if look.run.state.final:
                return look.run
            if watch.pause:
                wait(watch.pause)
