"""HTTP/2 frames by hand: for clients that no library would let anybody write."""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    0,
    1,
    3,
    4,
    6,
    7,
    8,
    9,
)
END_STREAM, END_HEADERS = 1, 4
INITIAL_WINDOW = 4
CANCEL = 8


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(**values: int) -> bytes:
    known = {"initial_window": INITIAL_WINDOW, "table_size": 1}
    payload = b"".join(struct.pack(">HI", known[name], item) for name, item in values.items())
    return frame(SETTINGS, 0, 0, payload)


def header_block(path: str, *more: tuple[str, str]) -> bytes:
    """Headers of a call, each spelled out: nothing is compressed or remembered."""
    listed = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        *more,
    ]
    return b"".join(b"\x00" + _text(name) + _text(item) for name, item in listed)


def _text(text: str) -> bytes:
    encoded = text.encode()
    length = len(encoded)
    if length < 127:
        return bytes([length]) + encoded
    left = length - 127
    prefix = b"\x7f"
    while left >= 128:
        prefix += bytes([left % 128 | 128])
        left //= 128
    return prefix + bytes([left]) + encoded


def call(path: str, stream: int, message: bytes = b"", *, ends: bool = True) -> bytes:
    """The frames of one call."""
    body = b"\x00" + struct.pack(">I", len(message)) + message
    opened = frame(HEADERS, END_HEADERS, stream, header_block(path))
    return opened + frame(DATA, END_STREAM if ends else 0, stream, body)


class Line:
    """One connection, on which anything may be said."""

    def __init__(self, port: int, said: bytes = b"") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.say(said)

    def say(self, said: bytes) -> bool:
        """Whether it could be said: a server may hang up."""
        try:
            self.socket.sendall(said)
        except OSError:
            return False
        return True

    def heard(self, seconds: float = 0.0) -> bytes:
        """What has been answered by now, or comes within so many seconds; empty at the end."""
        # Not select, which knows no descriptor over 1023.
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        with suppress(OSError):
            if poll.poll(seconds * 1000):
                return self.socket.recv(1 << 20)
        return b""

    def close(self) -> None:
        self.socket.close()


def greeted(port: int, **values: int) -> Line:
    """A connection on which both sides have said what they want."""
    return Line(port, PREFACE + settings(**values) + frame(SETTINGS, 1, 0))


def frames(said: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Kind, flags, stream and payload of each complete frame."""
    place = 0
    while place + 9 <= len(said):
        length = int.from_bytes(said[place : place + 3], "big")
        kind, flags, stream = struct.unpack(">BBI", said[place + 3 : place + 9])
        yield kind, flags, stream & 0x7FFFFFFF, said[place + 9 : place + 9 + length]
        place += 9 + length
