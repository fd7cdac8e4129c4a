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
        return f"{socket.gethostname()}/{os.getpid()}/{_started(os.getpid()) or ''}"

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
        now = _started(pid)
        return not started or now is None or now == started


def _started(pid: int) -> str | None:
    """The kernel's start time of a process, in ticks since boot; None where it is not told."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]
