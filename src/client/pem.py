"""Files of certificates and keys, looked at before the connection is tried with them."""

from __future__ import annotations

import re
from pathlib import Path

from ..domain.errors import ConfigurationError

_CERTIFICATE = re.compile(rb"-----BEGIN (?:TRUSTED )?CERTIFICATE-----")
_KEY = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----")


def certificates_in(file: Path | None, what: str) -> bytes | None:
    """The content of a file with certificates; raises a ConfigurationError for one without."""
    return _content(file, what, _CERTIFICATE, "certificate")


def key_in(file: Path | None, what: str) -> bytes | None:
    """The content of a file with a private key; raises a ConfigurationError for one without."""
    return _content(file, what, _KEY, "private key")


def _content(file: Path | None, what: str, expected: re.Pattern[bytes], kind: str) -> bytes | None:
    if file is None:
        return None
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{what} cannot be read: {file}: {error.strerror or error}",
            hint="give the path of a PEM file that this user may read",
            cause=error,
        ) from error
    if not expected.search(content):
        raise ConfigurationError(
            f"{what} has no {kind} as PEM: {file}",
            hint=f"give a file with a line BEGIN {kind.upper()}; "
            "openssl writes one with -outform PEM",
        )
    return content
