"""The address to listen on: of this machine only, unless somebody insists."""

from __future__ import annotations

import ipaddress
import re

from ....domain.errors import ConfigurationError

_PORT = re.compile(r"[0-9]{1,5}")
_HIGHEST_PORT = 65_535


def is_local(listen: str) -> bool:
    """Whether nothing but this machine reaches the address; raises as listening_address does."""
    address = listening_address(listen, anywhere=True)
    bare = address.rpartition(":")[0].removeprefix("[").removesuffix("]")
    return ipaddress.ip_address(bare).is_loopback


def listening_address(listen: str, *, anywhere: bool = False) -> str:
    """``host:port`` in the form that gRPC binds to; localhost becomes 127.0.0.1.

    Port 0 stands for any free port. Raises a ConfigurationError for text that is not an address
    and, unless it may be ``anywhere``, for an address that another machine could reach.
    """
    host, colon, port = listen.rpartition(":")
    if not colon or not _PORT.fullmatch(port) or int(port) > _HIGHEST_PORT:
        raise _not_an_address(listen)
    bare = host.removeprefix("[").removesuffix("]")
    if host == "localhost":
        return f"127.0.0.1:{int(port)}"
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        # Another name could lead anywhere, and elsewhere tomorrow.
        if bare and bare == host and not anywhere:
            raise _not_local(listen) from None
        raise _not_an_address(listen) from None
    if (address.version == 6) != (bare != host):  # noqa: PLR2004  # brackets belong to IPv6 alone
        raise _not_an_address(listen)
    if not address.is_loopback and not anywhere:
        raise _not_local(listen)
    return f"[{address}]:{int(port)}" if bare != host else f"{address}:{int(port)}"


def port_taken(address: str, cause: Exception) -> ConfigurationError:
    """The error for an address that could not be bound."""
    return ConfigurationError(
        f"cannot listen on {address}: the port is taken, or not allowed to this user",
        hint="stop what listens there, or give another port (0 for any free one) with --listen",
        cause=cause,
    )


def _not_an_address(listen: str) -> ConfigurationError:
    return ConfigurationError(
        f"{listen!r} is not an address to listen on",
        hint="give host and port, for example 127.0.0.1:50051 or [::1]:50051",
    )


def _not_local(listen: str) -> ConfigurationError:
    return ConfigurationError(
        f"{listen} can be reached from other machines, which needs TLS",
        hint="give --tls-cert and --tls-key (callers then need credentials, see spine auth token "
        "create), or listen on 127.0.0.1, [::1] or localhost; or say --insecure where the network "
        "itself keeps strangers out, as between containers",
    )
