"""Clock, ids and processes of the real machine."""

from __future__ import annotations

import os
import random
import secrets
import socket
import time
from datetime import UTC, datetime
from functools import cache
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


class SystemChance:
    """The machine's randomness."""

    def draw(self) -> float:
        return random.random()  # noqa: S311  # it spreads retries, and protects nothing


class LocalProcesses:
    """Names processes by host, number and start time, since numbers are used again.

    What follows a ``#`` names a part of the process. The boot and the namespace of numbers stand
    in the name as well: of a process elsewhere nothing is known, though its host may be called
    the same, as containers often are.
    """

    def identity(self) -> str:
        told = _told(os.getpid())
        started = told[1] if told else ""
        return f"{socket.gethostname()}/{os.getpid()}/{started}/{_numbering()}"

    def alive(self, identity: str) -> bool:
        host, number, started, numbering = (*identity.partition("#")[0].split("/"), "", "", "")[:4]
        if host != socket.gethostname() or not number.isdigit():
            return True
        if numbering != _numbering():
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


@cache
def _numbering() -> str:
    """What process numbers count from: this boot of this machine, and the namespace in it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
        space = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return ""
    return f"{boot}.{space}"


def _told(pid: int) -> tuple[str, str] | None:
    """State and start time (ticks since boot) of a process; None where the kernel tells neither."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return fields[0], fields[19]


class SystemUnguessable:
    """New secrets, from the operating system."""

    def draw(self, size: int) -> bytes:
        return secrets.token_bytes(size)
