"""Byte streams that can be looked into ahead, and that report what they read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from ....domain.errors import SourceError
from ....ports.sources import Tap
from .failures import unreadable

CHUNK_BYTES = 8 << 20
"""How much is read and parsed at a time: big enough for both cores, small beside the memory."""

LONGEST_RECORD = 16 << 20
"""A longer line is no record of a text file; reading on would only fill the memory."""


class Readable(Protocol):
    """Anything with a blocking ``read`` that answers b"" at the end and nowhere else."""

    def read(self, size: int, /) -> bytes: ...


class Lookahead:
    """A stream whose next bytes can be seen without taking them."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._ahead = b""

    def peek(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer only at the end."""
        while len(self._ahead) < size:
            more = self._stream.read(size - len(self._ahead))
            if not more:
                break
            self._ahead += more
        return self._ahead[:size]

    def read(self, size: int, /) -> bytes:
        if not self._ahead:
            return self._stream.read(size)
        taken, self._ahead = self._ahead[:size], self._ahead[size:]
        return taken


class Tapped:
    """Tells ``tap`` every byte it reads; failures of the operating system become typed."""

    def __init__(self, stream: Readable, name: str, tap: Tap | None) -> None:
        self._stream = stream
        self._name = name
        self._tap = tap

    def read(self, size: int, /) -> bytes:
        try:
            data = self._stream.read(size)
        except OSError as error:
            raise unreadable(error, self._name) from error
        if data and self._tap is not None:
            self._tap(data)
        return data


def read_fully(stream: Readable, size: int) -> bytes:
    """The next ``size`` bytes, fewer only at the end, however few a read gives."""
    block = stream.read(size)
    if len(block) in {0, size}:
        return block
    blocks = [block]
    missing = size - len(block)
    while missing and (block := stream.read(missing)):
        blocks.append(block)
        missing -= len(block)
    return b"".join(blocks)


def line_chunks(stream: Readable, name: str, chunk_bytes: int, longest: int) -> Iterator[bytes]:
    """The stream in pieces of about ``chunk_bytes``, each ending with a newline but the last.

    Raises a SourceError for a line of more than ``longest`` bytes.
    """
    held: list[bytes] = []
    size = 0
    passed = 0
    while block := read_fully(stream, chunk_bytes):
        cut = block.rfind(b"\n") + 1
        if not cut:
            held.append(block)
            size += len(block)
            if size > longest:
                raise SourceError(
                    f"{name} has a line of more than {longest:,} bytes from byte {passed:,} on",
                    hint="check that it is a text file, and which format and encoding it has",
                    metadata={"file": name, "position": passed},
                )
            continue
        held.append(block[:cut])
        chunk = b"".join(held)
        yield chunk
        passed += len(chunk)
        held = [block[cut:]] if cut < len(block) else []
        size = len(block) - cut
    if held:
        yield b"".join(held)
