"""Entry point of the ``spine`` command."""

from __future__ import annotations

from ..adapters.inbound.cli.app import build
from ..adapters.inbound.cli.services import CliServices
from ..ports.progress import Progress


def main() -> None:
    """Run the command line; the application behind it is wired when a command needs it."""
    build(_application)()


def _application(progress: Progress) -> CliServices:
    from .application import build_application

    return build_application(progress)
