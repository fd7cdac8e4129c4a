"""Secrets are masked before a text can reach a log, a store or a reply.

Masking twice changes nothing more: a text may pass several seams.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

MASK = "***"

_SECRET_NAME = re.compile(
    r"(?i)(password|passwd|pwd|secret|token|api[-_]?key|access[-_]?key|authorization|credential)"
)
_NAME = (
    r"(?:[\w\-]{0,40}(?:password|passwd|pwd|secret|token|api[-_]?key|access[-_]?key|credential)"
    r"(?:[-_](?:id|key|value))?|sig|signature)"
)
_QUOTED = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
_PATTERNS = (
    # Each with a text, in lower case, without which it cannot match: most texts have none of them,
    # and cost nothing.
    # scheme://user:password@host, the password up to the last @ of the word
    (
        "://",
        re.compile(r"(?P<head>[a-zA-Z][a-zA-Z0-9+.\-]{0,30}://[^:/?#\s@]*:)(?!\*\*\*@)\S+(?=@)"),
    ),
    # name=value and "name": "value"; a dotted name before is prose about something of that name
    (
        "=",
        re.compile(rf"(?i)(?P<head>(?<![\w.]){_NAME}\s*=\s*)(?!\*\*\*)(?:{_QUOTED}|[^\s&;,'\"]+)"),
    ),
    (":", re.compile(rf"(?i)(?P<head>(?<![\w.])['\"]?{_NAME}['\"]?\s*:\s*)(?:{_QUOTED})")),
    (
        ":",
        re.compile(
            r"(?i)(?P<head>(?<![\w.])(?:x-)?(?:password|passwd|pwd|api-?key|auth-token)\s*:\s+)"
            r"(?!\*\*\*)[^\s,;'\"]+"
        ),
    ),
    (
        "authorization",
        re.compile(
            r"(?i)(?P<head>\bauthorization['\"]?\s*[:=]\s*['\"]?(?:(?:bearer|basic|digest|token)\s+)?)"
            r"(?!\*\*\*|(?:bearer|basic|digest|token)\s)[^\s,;'\"]+"
        ),
    ),
    ("bearer", re.compile(r"(?i)(?P<head>\bbearer\s+)(?=\S{16})[A-Za-z0-9._~+/\-]+=*")),
    # Tokens of this software (which one stays visible), and signed ones of others.
    ("spine_", re.compile(r"(?P<head>\bspine_[0-9A-Za-z\-]{36}_)[0-9a-f]{8,}")),
    ("eyj", re.compile(r"(?P<head>\beyJ)[\w\-]{8,}\.[\w\-]{2,}\.[\w\-]*")),
    ("://", re.compile(r"(?i)(?P<head>https://hooks\.slack\.com/services/)(?!\*\*\*)[^\s'\"]+")),
)


# "pwd=x": nothing that is shorter says what is secret in it.
_SHORTEST = 5


def redact(text: str) -> str:
    """``text`` with passwords in URLs, key=value secrets and authorization headers masked."""
    if len(text) < _SHORTEST:
        return text
    # Beyond ASCII there are letters that are alike for a pattern, and not for a text.
    plain = text.lower() if text.isascii() else None
    for needed, pattern in _PATTERNS:
        if plain is None or needed in plain:
            text = pattern.sub(rf"\g<head>{MASK}", text)
    return text


def redact_mapping(values: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON-ready copy: values under secret-sounding names are masked, at every depth.

    What JSON has no form for becomes text; what it has no number for becomes null.
    """
    return {str(name): _redact_value(str(name), value) for name, value in values.items()}


def is_masked(value: Any) -> bool:
    """Whether anything was masked in a value that was stored, at any depth."""
    if isinstance(value, Mapping):
        return any(is_masked(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(is_masked(item) for item in value)
    return isinstance(value, str) and MASK in value


def _redact_value(name: str, value: Any) -> Any:
    if value is not None and _SECRET_NAME.search(name):
        return MASK
    if isinstance(value, Mapping):
        return redact_mapping(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact_value("", item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(str(value))
