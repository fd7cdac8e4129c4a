"""How a run that is followed is shown: lines that are appended, or one JSON object a line."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import typer

from ....application.watch_run import News
from ....domain.queueing import Progress
from ....domain.runs import EventKind, LogLine, Run, RunEvent, RunState
from . import documents, exits, output
from .commands import command, start_worker
from .follow import until_final
from .run_pools import pools_of
from .run_words import happened, moment, process
from .step_tree import told
from .times import spoken

if TYPE_CHECKING:
    from .services import CliServices

_PATIENCE = 5.0  # seconds without a worker
_TENTHS = 10
_KINDS: dict[type, str] = {RunEvent: "event", LogLine: "line", Progress: "progress"}
_QUIET = 10.0  # seconds after which progress is told although it is not another tenth


@dataclass(slots=True)
class Shown:
    """Appends what is new to stdout."""

    _progress: dict[str, tuple[str, int, float]] = field(default_factory=dict)

    def __call__(self, _run: Run, news: Sequence[News]) -> None:
        for item in news:
            text = self._text(item)
            if text is not None:
                output.say(text)

    def _text(self, item: News) -> str | None:
        where = item.where or item.run.pipeline
        match item.what:
            case RunEvent() as event:
                more = happened(event)
                if event.kind is EventKind.SKIPPED:
                    more = "; ".join(item.run.warnings)
                elif event.kind is EventKind.CLAIMED:
                    more = f"attempt {event.attempt} by {process(event.owner)}"
                return f"{moment(event.at)}  {where}  {event.kind}  {more}".rstrip()
            case LogLine() as line:
                return f"{moment(line.at)}  {where}  {line.level.lower()}: {line.text}"
            case Progress() as progress:
                return self._how_far(item.run.id, where, progress)
            case Run():
                return None  # its events tell it

    def _how_far(self, run_id: str, where: str, progress: Progress) -> str | None:
        """Each tenth of the way, and now and then where nobody knows how long it is."""
        tenth = _TENTHS * progress.done // progress.total if progress.total else 0
        label, known, last = self._progress.get(run_id, ("", -1, 0.0))
        now = time.monotonic()
        if label == progress.label and tenth == known and now - last < _QUIET:
            return None
        self._progress[run_id] = (progress.label, tenth, now)
        return f"{'':19}  {where}  {told(progress)}"


def as_objects(_run: Run, news: Sequence[News]) -> None:
    """Print each item of news as one JSON object on a line."""
    for item in news:
        kind = _KINDS[type(item.what)]
        document: dict[str, Any] = output.plain(item.what)
        for own in ("key", "fence"):  # the store's own numbers
            document.pop(own, None)
        where = {"run": item.run.id, "step": item.run.step, "item": item.run.item}
        output.print_json_line({"type": kind, **where, **document})


def follow(services: CliServices, run: Run, *, json: bool) -> None:
    """Show all that happens to the run until its end; leaves with its code if it failed."""
    if json:
        final = _ended(services, run, as_objects)
        output.print_json_line({"type": "run", **documents.executed(final)})
        leave(final)
        return
    first = f"run {run.id}: {run.pipeline} {run.state.value}"
    final = _ended(services, run, Shown(), first)
    tell_end(final)


def wait(services: CliServices, run: Run, *, json: bool) -> None:
    """As :func:`follow`, but with ``json`` the final run is the one document that is printed."""
    if not json:
        follow(services, run, json=False)
        return
    final = _ended(services, run, lambda *_: None)
    output.print_json(documents.executed(final))
    leave(final)


def tell_end(final: Run) -> None:
    """Say how a run ended; leaves with its code if it did not succeed."""
    took = "" if final.duration is None else f" in {spoken(final.duration)}"
    for warning in final.warnings:
        output.say(f"note: {warning}")
    output.say(f"run {final.id} {final.state.value}{took}")
    if final.error is not None:
        output.show_error(final.error)
    leave(final)


def leave(final: Run) -> None:
    """Leave with the code of a run that is over, if it did not succeed."""
    if final.state is not RunState.SUCCEEDED:
        raise typer.Exit(exits.of_run(final.error))


def _ended(
    services: CliServices,
    run: Run,
    shown: Callable[[Run, Sequence[News]], None],
    first: str | None = None,
) -> Run:
    run_id, waiting = run.id, _Waiting(run)

    def told(stands: Run, news: Sequence[News]) -> None:
        waiting.run = stands
        shown(stands, news)

    try:
        # Who sees the first line may leave at once.
        if first is not None:
            output.say(first)
        if run.state is RunState.PENDING:
            waiting.told(pools_of(services.read_runs(), run))
        with services.watch_run(run_id) as watch, waiting:
            return until_final(watch, told)
    except KeyboardInterrupt as interrupt:
        output.note(
            f"not followed any more: {command(f'runs show {run_id} --follow')} goes on with it, "
            f"{command(f'runs cancel {run_id}')} ends the run"
        )
        raise typer.Exit(exits.Exit.INTERRUPTED) from interrupt


class _Waiting:
    """Says once, after some seconds, that nobody has begun with the run."""

    def __init__(self, run: Run) -> None:
        self.run = run
        """As it stands now."""
        self._worker = start_worker()
        self._timer = threading.Timer(_PATIENCE, self._tell)
        self._timer.daemon = True

    def told(self, pools: Collection[str]) -> None:
        """Which pools it waits in."""
        self._worker = start_worker(pools)

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _tell(self) -> None:
        if self.run.state is RunState.PENDING and self.run.attempt == 0:
            output.note(
                "no worker has taken it yet: those of its pool are busy, or there is none; "
                f"{self._worker} starts one"
            )
