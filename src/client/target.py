"""Where a server is, and whether what is said to it can be overheard."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path

from ..domain.errors import ConfigurationError

DEFAULT_TARGET = "127.0.0.1:50051"

_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]@]+):(?P<port>[0-9]{1,5})")
_SOCKET = re.compile(r"unix:\S+")
_HIGHEST_PORT = 65_535
_TOKEN = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Credentials:
    """How the server is recognised, and how we are. The files are PEM.

    ``ca`` is a file with the certificates that are trusted, those of the system when None;
    ``cert`` and ``key`` are our own certificate and its key.
    """

    token: str | None = field(default=None, repr=False)
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A server's address; whether it is on this machine, and whether it is called over TLS."""

    address: str
    local: bool
    tls: bool


def target_of(address: str, credentials: Credentials, insecure: bool | None) -> Target:
    """The target for ``host:port`` or ``unix:path``.

    TLS is used when a file is given or when the server is on another machine, unless ``insecure``
    says otherwise. Raises a ConfigurationError for text that is no address, for an incomplete or
    contradictory choice, and for a token that would be sent where others can read it.
    """
    local = _is_local(address)
    files = credentials.ca or credentials.cert or credentials.key
    if (credentials.cert is None) != (credentials.key is None):
        raise ConfigurationError(
            "a client certificate and its key belong together",
            hint="give both cert= and key= (SPINE_CLIENT_CERT, SPINE_CLIENT_KEY), or neither",
        )
    if insecure and files:
        raise ConfigurationError(
            f"{address} is to be called without TLS, but certificates are given",
            hint="leave out insecure, or the certificates",
        )
    tls = not insecure if insecure is not None else bool(files) or not local
    if credentials.token is not None:
        _check_token(credentials.token)
        if not (tls or local):
            raise ConfigurationError(
                f"a token would be sent to {address} in the clear",
                hint="use TLS: leave out insecure, and give ca= where the server's certificate is "
                "not signed by a public authority",
            )
    return Target(address, local, tls)


def _check_token(token: str) -> None:
    if not _TOKEN.fullmatch(token):
        raise ConfigurationError(
            "the token is empty, or has characters that cannot be sent",
            hint="give it as it was handed out, without blanks and line ends",
        )


def _is_local(address: str) -> bool:
    if _SOCKET.fullmatch(address):
        return True
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match["port"]) <= _HIGHEST_PORT:
        raise ConfigurationError(
            f"{address!r} is not the address of a server: {_fault(address)}",
            hint=f"give host and port, for example {DEFAULT_TARGET}",
        )
    if match["host"] == "localhost":
        return True
    try:
        return ipaddress.ip_address(match["host"].strip("[]")).is_loopback
    except ValueError:
        return False


def _fault(address: str) -> str:
    if "://" in address:
        return f"leave out {address.partition('://')[0]}://"
    if "@" in address or "/" in address:
        return "it has more than a host and a port"
    if address != address.strip() or " " in address:
        return "it has blanks or line ends"
    host, mark, port = address.rpartition(":")
    if not mark or not port:
        return "the port is missing"
    if not host:
        return "the host is missing"
    if ":" in host and not host.startswith("["):
        return "an IPv6 address stands in brackets, as in [::1]:50051"
    return f"the port is a number from 1 to {_HIGHEST_PORT}"
