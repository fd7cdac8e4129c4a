"""Logs go to stderr, for people or as JSON lines, never with a secret in them."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from ..domain.redaction import redact, redact_mapping


def configure_logs(level: str, style: str) -> None:
    """Route the standard library's logging through structlog to stderr."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # As text before secrets are masked: a traceback drawn later could show local variables.
        structlog.processors.format_exc_info,
        _without_secrets,
    ]
    last: Any = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                last,
            ],
        )
    )
    root = logging.getLogger("market_spine")
    root.handlers = [handler]
    root.propagate = False
    root.setLevel(level)


def _without_secrets(_logger: Any, _method: str, event: Any) -> Any:
    masked = redact_mapping(
        {name: value for name, value in event.items() if not name.startswith("_")}
    )
    event.update(masked)
    event["event"] = redact(str(event.get("event", "")))
    return event
