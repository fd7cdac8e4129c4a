"""Watching a backfill until it has ended: a line for each partition that is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from ....domain.backfills import BackfillState, PartState
from ....domain.errors import SpineError
from . import backfill_view, output
from .commands import command
from .exits import Exit
from .outage import Outage
from .run_words import moment

if TYPE_CHECKING:
    from ....domain.backfills import Backfill, BackfillPart
    from .services import CliServices
    from .use_cases import BackfillReader

_PAGE = 1000
_PAUSE = 0.5  # seconds
_PATIENCE = 10  # looks in which nothing is over
_LIVE = (PartState.PLANNED, PartState.ACTIVE)


@dataclass(slots=True)
class BackfillWatch:
    """Looks at the partitions of one backfill; each look tells those that are over since."""

    reader: BackfillReader
    backfill_id: str
    _done: int = 0
    """Up to this number all partitions are over and told."""
    _told: set[int] = field(default_factory=set)

    def look(self) -> tuple[Backfill, list[BackfillPart], bool]:
        """The backfill, what is over since the last look, and whether partitions are live."""
        # Read before its partitions: all of a backfill that is over are told in the same look.
        backfill = self.reader.get(self.backfill_id)
        news: list[BackfillPart] = []
        live = False
        for part in self._unknown():
            if part.state in _LIVE:
                live = True
            elif part.number not in self._told:
                self._told.add(part.number)
                news.append(part)
        while self._done + 1 in self._told:
            self._done += 1
            self._told.discard(self._done)
        return backfill, news, live

    def _unknown(self) -> Iterator[BackfillPart]:
        """Partitions that may be over: they are begun by number, so what is planned ends it."""
        after = self._done
        while page := self.reader.parts(self.backfill_id, after=after, limit=_PAGE):
            for part in page:
                yield part
                if part.state is PartState.PLANNED:
                    return
            after = page[-1].number


def wait(services: CliServices, backfill: Backfill, *, json: bool) -> None:
    """Show what happens to a backfill until its end; leaves with 1 when it did not succeed.

    With ``json`` it is the one document that is printed then.
    """
    reader = services.read_backfills()
    if not json:
        output.say(f"backfill {backfill.id}: {backfill.pipeline} {backfill.state.value}")
    try:
        final = until_over(BackfillWatch(reader, backfill.id), _silent if json else _show)
    except KeyboardInterrupt as interrupt:
        output.note(
            f"not followed any more: {command(f'backfill show {backfill.id} --follow')} goes on "
            f"with it, {command(f'backfill cancel {backfill.id}')} ends it"
        )
        raise typer.Exit(Exit.INTERRUPTED) from interrupt
    if json:
        output.print_json(backfill_view.whole_document(services, final))
    else:
        backfill_view.show(services, final, every=False)
    if final.state is not BackfillState.SUCCEEDED:
        raise typer.Exit(Exit.FAILED)


def until_over(
    watch: BackfillWatch,
    told: Callable[[BackfillPart], None],
    *,
    pause: Callable[[float], None] | None = None,
) -> Backfill:
    """Look until the backfill is final and nothing of it is live; the backfill as it is then."""
    sleep = pause or time.sleep
    looks = 0
    outage = Outage(
        "not followed any more; the backfill goes on: "
        f"{command(f'backfill show {watch.backfill_id} --follow')} follows it again"
    )
    while True:
        try:
            backfill, news, live = watch.look()
        except SpineError as error:
            outage.goes_on(error)
        else:
            outage.over()
            for part in news:
                told(part)
            if backfill.state.final and not live:
                return backfill
            looks = 0 if news else looks + 1
            if looks == _PATIENCE and backfill.state is BackfillState.PAUSED:
                again = command(f"backfill resume {backfill.id}")
                output.note(f"it is paused: {again} goes on with it")
        sleep(_PAUSE)


def _show(part: BackfillPart) -> None:
    run = "" if part.run is None else f"  run {part.run}"
    output.say(f"{moment(datetime.now(UTC))}  {part.partition}  {part.state.value}{run}")


def _silent(_part: BackfillPart) -> None:
    """The document tells it in the end."""
