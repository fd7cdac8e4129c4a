"""Entry point of the ``spine`` command."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..adapters.inbound.cli.services import CliServices
    from ..ports.progress import Progress

_INTERRUPTED = 130


def main() -> None:
    """Run the command line; the application behind it is wired when a command needs it."""
    try:
        # Imported here, so that Ctrl-C in the first moments ends as quietly as later.
        from ..adapters.inbound.cli.app import build

        build(_application)()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def _application(progress: Progress) -> CliServices:
    from .application import build_application

    return build_application(progress)
