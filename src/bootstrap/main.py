"""Entry point of the ``spine`` command."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..adapters.inbound.cli.services import CliServices
    from ..ports.progress import Progress

# Two of cli.exits, which may not be there yet when they are needed.
_INTERRUPTED = 130
_DEFECT = 70


def main() -> None:
    """Run the command line; the application behind it is wired when a command needs it."""
    try:
        # Imported here, so that Ctrl-C in the first moments ends as quietly as later.
        from ..adapters.inbound.cli.app import build

        build(application, server_health)()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except Exception:
        import traceback

        traceback.print_exc()
        sys.exit(_DEFECT)


def application(progress: Progress, server: str | None = None) -> CliServices:
    """What commands ask: ``server`` or the one of the settings, else the store of the settings.

    Raises a ConfigurationError for wrong settings.
    """
    from .remote_settings import remote_settings

    found = remote_settings(server)
    if found is not None:
        _quiet_grpc()
        from .remote import RemoteApplication

        return RemoteApplication(found)
    from .application import build_application

    return build_application(progress)


def server_health(server: str | None, timeout: float) -> tuple[str, str]:
    """The address and health of ``server``, of the one of the settings, or of this machine's.

    Raises a SpineError of category DEPENDENCY when it does not answer within ``timeout`` seconds.
    """
    _quiet_grpc()
    from ..client.target import DEFAULT_TARGET
    from .remote import connected
    from .remote_settings import RemoteSettings, remote_settings

    settings = remote_settings(server) or RemoteSettings(DEFAULT_TARGET)
    with connected(settings) as client:
        return settings.server, client.system.health(timeout=timeout)


def _quiet_grpc() -> None:
    # gRPC's core writes lines of its own for each failed handshake, of which the error tells
    # already. It reads this when it is imported.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
