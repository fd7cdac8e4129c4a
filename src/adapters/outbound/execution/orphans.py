"""A process that executes runs does not outlive the one that started it."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading

_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_LOOK_AGAIN_MS = 1_000


def die_with(parent: int, connection: socket.socket) -> None:
    """Kill this process, and all of its group, as soon as ``parent`` is gone.

    The kernel does so where it can, even while native code computes. A thread does it elsewhere,
    and takes the processes along that were started from here.
    """
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415  # of use on this system only

        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        _die()
    watch = threading.Thread(
        target=_watch, args=(parent, connection.fileno()), name="spine-parent-watch", daemon=True
    )
    watch.start()


def _watch(parent: int, connection: int) -> None:
    poll = select.poll()
    poll.register(connection, 0)  # no event but that the other side is gone
    while os.getppid() == parent:
        if any(event & select.POLLHUP for _, event in poll.poll(_LOOK_AGAIN_MS)):
            break
    _die()


def _die() -> None:
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
