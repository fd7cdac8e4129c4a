"""Secrets are masked before a text can reach a log, a store or a reply."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"

_SECRET_NAME = re.compile(
    r"(?i)(password|passwd|pwd|secret|token|api_?key|authorization|credential)"
)
_URL_PASSWORD = re.compile(r"(?P<head>[a-zA-Z][a-zA-Z0-9+.\-]{0,30}://[^:/?#\s@]*:)[^@/\s]+(?=@)")
_ASSIGNMENT = re.compile(
    r"(?i)(?P<head>\b(?:password|passwd|pwd|secret|access_token|api_?key|client_secret)"
    r"\s*[=:]\s*)(?P<quote>['\"]?)[^\s'\"&;,]+"
)
_BEARER = re.compile(
    r"(?i)(?P<head>\bauthorization\s*[:=]\s*(?:\w+\s+)?|\bbearer\s+(?=\S{16}))[A-Za-z0-9._~+/\-]+=*"
)


def redact(text: str) -> str:
    """``text`` with passwords in URLs, key=value secrets and bearer tokens masked."""
    text = _URL_PASSWORD.sub(rf"\g<head>{MASK}", text)
    text = _ASSIGNMENT.sub(rf"\g<head>{MASK}", text)
    return _BEARER.sub(rf"\g<head>{MASK}", text)


def redact_mapping(values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy in which values under secret-sounding names are masked, at every depth."""
    return {str(name): _redact_value(str(name), value) for name, value in values.items()}


def _redact_value(name: str, value: Any) -> Any:
    if value is not None and _SECRET_NAME.search(name):
        return MASK
    if isinstance(value, Mapping):
        return redact_mapping(value)
    if isinstance(value, list | tuple):
        return [_redact_value("", item) for item in value]
    return redact(value) if isinstance(value, str) else value
