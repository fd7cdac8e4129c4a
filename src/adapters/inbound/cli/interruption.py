"""Ctrl-C while a pipeline runs: what became of the run."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ....domain.errors import SpineError
from . import output
from .outcome import document, of_run

if TYPE_CHECKING:
    from ....domain.runs import Run
    from .services import CliServices
    from .use_cases import RunReader


def tell(services: CliServices | None, name: str, since: datetime, json: bool) -> None:
    """Say on stderr what run history has of the run of ``name`` that began after ``since``.

    With ``json``, the run's document goes to stdout as for any other end.
    """
    try:
        reader = services.read_runs() if services is not None else None
        run = _recorded(reader, name, since) if reader is not None else None
        if reader is None or run is None:
            text = f"{name} had not begun; nothing is recorded"
        else:
            text = f"run {run.id} of {name} is recorded as {run.state.value}; {_left(reader, run)}"
    except SpineError as error:
        run, text = None, f"what is recorded of {name} cannot be read: {error}"
    output.note(f"interrupted: {text}")
    if json:
        output.print_json(
            document("CANCELLED", None, name, {}, None, ()) if run is None else of_run(run)
        )


def _recorded(reader: RunReader, name: str, since: datetime) -> Run | None:
    from ....domain.runs import RunFilter

    newest = reader.list(RunFilter(pipeline=name, top_level_only=True, limit=1))
    return newest[0] if newest and newest[0].created_at >= since else None


def _left(reader: RunReader, run: Run) -> str:
    from ....domain.runs import RunFilter, RunState

    if run.state is not RunState.CANCELLED:
        return "spine runs show last tells more"
    if reader.list(RunFilter(parent=run.id, state=RunState.SUCCEEDED, limit=1)):
        return "the parts that are done stay done, run it again for the others"
    return "nothing of it was committed, run it again"
