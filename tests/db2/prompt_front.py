"""Stands before the emulated server and acknowledges at once what it sends.

The emulation sends long texts in small pieces and waits for each to be acknowledged, which IBM's
driver does after 40 ms. Usage: python prompt_front.py PORT-OF-THE-SERVER; prints its own port.
"""

from __future__ import annotations

import socket
import sys
import threading
from contextlib import suppress


def acknowledge(connection: socket.socket) -> None:
    # Linux takes it for one packet only; elsewhere it is merely slow.
    if hasattr(socket, "TCP_QUICKACK"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def pass_on(origin: socket.socket, goal: socket.socket) -> None:
    with suppress(OSError):
        acknowledge(origin)
        while received := origin.recv(65_536):
            goal.sendall(received)
            acknowledge(goal)
            acknowledge(origin)
    for end in (origin, goal):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def main() -> None:
    server = ("127.0.0.1", int(sys.argv[1]))
    with socket.create_server(("127.0.0.1", 0)) as front:
        print(front.getsockname()[1], flush=True)
        while True:
            client, _ = front.accept()
            onward = socket.create_connection(server)
            for end in (client, onward):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for pair in ((client, onward), (onward, client)):
                threading.Thread(target=pass_on, args=pair, daemon=True).start()


if __name__ == "__main__":
    main()
