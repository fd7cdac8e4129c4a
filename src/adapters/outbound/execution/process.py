"""One process of this machine that executes runs, as its parent sees it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from .messages import Reply, Start, read_reply

_PATIENCE = 10.0
"""Seconds for a process to take what is sent to it, which as a rule the kernel keeps for it."""
_PIECE = 1 << 16
# The path comes along: whatever its parent can import, a process can import as well. A new
# interpreter knows nothing of the parent's main module, and so cannot run it a second time.
_CODE = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    f"from {__package__}.child import main; main()"
)  # fmt: skip


class Process:
    """Leader of a session and a group of its own, so that it ends with all that it has started.

    Raises an OSError when the system refuses another process.
    """

    def __init__(
        self, entry: str, settings: Mapping[str, Any], memory_limit: int | None = None
    ) -> None:
        self._socket, theirs = socket.socketpair()
        self._unread = b""
        self.silent = False
        """Nothing comes from it any more: it is dead, or as good as."""
        try:
            with theirs:
                self._popen = subprocess.Popen(  # noqa: S603  # this interpreter, on our own code
                    [sys.executable, "-P", "-c", _CODE, str(theirs.fileno()), *sys.path],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=2,
                    start_new_session=True,
                )
            self.send(Start(os.getpid(), entry, settings, memory_limit).line())
        except BaseException:
            self._socket.close()
            raise

    @property
    def pid(self) -> int:
        return self._popen.pid

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, line: bytes) -> bool:
        """False when it does not take the line; it is of no use then."""
        try:
            self._socket.settimeout(_PATIENCE)
            self._socket.sendall(line)
        except OSError:
            self.silent = True
        return not self.silent

    def received(self) -> list[Reply | None]:
        """What it has told since, without waiting: a reply, or None for a task begun."""
        self._socket.setblocking(False)
        while not self.silent:
            try:
                piece = self._socket.recv(_PIECE)
            except BlockingIOError:
                break
            except OSError:
                piece = b""
            self.silent = not piece
            self._unread += piece
        *lines, self._unread = self._unread.split(b"\n")
        try:
            return [read_reply(line) for line in lines]
        except (ValueError, LookupError, TypeError, AttributeError):
            self.silent = True
            return []

    def exit_code(self) -> int | None:
        """Its exit code, negative for a signal; None while it lives."""
        code = self._popen.poll()
        if code is not None:
            self.kill()
        return code

    def kill(self) -> None:
        """Kill it at once, with all processes of its group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)

    def ask_to_leave(self) -> None:
        """Let it end by itself, after what it is doing."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self, seconds: float = 0.0) -> None:
        """Let it have so many seconds to end, then kill it; nothing of it remains."""
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(seconds)
        self.kill()
        self._popen.wait()
        self._socket.close()
