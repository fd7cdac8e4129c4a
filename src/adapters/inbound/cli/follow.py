"""Watching a run until it has ended: again and again, with patience for a store that is away."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ....application.watch_run import News, Watch
from ....domain.errors import SpineError
from ....domain.runs import Run
from .commands import command
from .outage import Outage

_PAUSE = 0.5  # seconds
_RUNS_A_SECOND = 1_000  # a large workflow is looked at less often


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
    outage = Outage(
        "not followed any more; the run goes on: "
        f"{command(f'runs show {watch.run_id} --follow')} follows it again"
    )
    while True:
        try:
            look = watch.look()
        except SpineError as error:
            outage.goes_on(error)
        else:
            outage.over()
            told(look.run, [item for item in look.news if not isinstance(item.what, Run)])
            if look.run.state.final:
                return look.run
        wait(_PAUSE + watch.seen / _RUNS_A_SECOND)
