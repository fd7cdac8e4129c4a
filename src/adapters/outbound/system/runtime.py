"""Clock, ids and processes of the real machine."""

from __future__ import annotations

import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class UuidIds:
    """UUIDs of version 7, which begin with the time."""

    def new(self) -> str:
        from uuid_utils import uuid7  # noqa: PLC0415  # a compiled module that --help can do without

        return str(uuid7())


class LocalProcesses:
    """Names processes by host, number and start time, since numbers are used again."""

    def identity(self) -> str:
        told = _told(os.getpid())
        return f"{socket.gethostname()}/{os.getpid()}/{told[1] if told else ''}"

    def alive(self, identity: str) -> bool:
        host, _, rest = identity.partition("/")
        number, _, started = rest.partition("/")
        if host != socket.gethostname() or not number.isdigit():
            return True
        pid = int(number)
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        told = _told(pid)
        if told is None:
            return True
        state, now = told
        # A zombie has ended: its parent has only not asked for its exit code yet.
        return state not in "ZXx" and started in ("", now)


def _told(pid: int) -> tuple[str, str] | None:
    """State and start time (ticks since boot) of a process; None where the kernel tells neither."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return fields[0], fields[19]
