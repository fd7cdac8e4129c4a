"""``spine upload``: bring a file to a server, for the pipeline that captures it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ....domain.errors import ValidationError
from . import asking, output
from .commands import command
from .exits import Exit
from .progress import TerminalProgress
from .run import refuse
from .submit import tell

SETTINGS = {"allow_extra_args": True}

_KIB = 1024


def upload(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A file of this machine.", metavar="FILE")],
    pipeline: Annotated[
        str,
        typer.Argument(
            help="Pipeline or workflow of the server that captures it.", metavar="PIPELINE"
        ),
    ],
    parameter: asking.Parameters = None,
    file_parameter: Annotated[
        str,
        typer.Option("--file-parameter", help="The parameter that gets the file.", metavar="KEY"),
    ] = "file",
    request_id: Annotated[
        str | None,
        typer.Option(
            "--request-id", help="An id of yours: sent again, it gives the same run.", metavar="ID"
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Do the work although it was done before.")
    ] = False,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Follow the run to its end; exit code 1 or 5 when it fails."),
    ] = False,
    json: asking.Json = False,
) -> None:
    """Bring a file to a server, and queue the pipeline that captures it.

    The run is queued when all of the file has arrived. The server keeps the file for a week, under
    a path that other runs may be given as well; what is captured it keeps for good.

    Example: spine --server HOST:PORT upload week.csv finra.otc_transparency.refresh_week --wait
    """
    with output.errors_shown():
        from ....application.submissions import Submission

        refuse(context.args)
        given = asking.parameters(parameter or [])
        asked = Submission(pipeline, given, force=force, request=request_id)
        services = asking.services(context)
        bring = services.bring_file()
        if file_parameter in given:
            raise ValidationError(
                f"-p {file_parameter}= names a file, and {file} is brought for it",
                hint=f"leave out -p {file_parameter}=, or name another one by --file-parameter",
            )
        if not file.is_file():
            raise ValidationError(
                f"there is no file {file}", hint="give the path of a file on this machine"
            )
        try:
            with _shown(file) as told:
                run = bring(file, asked, parameter=file_parameter, told=told)
        except KeyboardInterrupt as interrupt:
            output.note(
                "interrupted: a file that has not arrived whole is forgotten; "
                f"{command('runs list')} shows whether it has"
            )
            raise typer.Exit(Exit.INTERRUPTED) from interrupt
        if not json:
            there = run.parameters.get(file_parameter)
            output.say(f"{file.name} has arrived; for a week, other runs may be given it:")
            output.say(f"  -p {file_parameter}={there}", whole=True)
        tell(
            services,
            run,
            f"run {run.id} of {run.pipeline} is {run.state.value}",
            wait=wait,
            json=json,
        )


@contextmanager
def _shown(file: Path) -> Iterator[Callable[[int], None]]:
    """What takes the number of bytes that are sent, and draws it on a terminal."""
    total = -(-file.stat().st_size // _KIB)
    with TerminalProgress().task(f"sending {file.name}", total=total, unit="KiB") as task:
        known = 0

        def told(sent: int) -> None:
            nonlocal known
            now = -(-sent // _KIB)
            task.advance(now - known)  # back to the beginning when it is sent again
            known = now

        yield told
