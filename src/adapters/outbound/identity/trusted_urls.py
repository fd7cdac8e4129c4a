"""From where keys may be taken."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def url_problem(url: str) -> str | None:
    """Why a URL is none to trust keys from, if it is: HTTPS, or HTTP on this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        return f"{url!r} is no URL: {error}"
    if not host or parts.query or parts.fragment or parts.username is not None:
        return f"{url!r} is no plain URL: write https://HOST/PATH"
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host)):
        return None
    return f"{url!r} is not https: whoever is in between could give keys of their own"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
