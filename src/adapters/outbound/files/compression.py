"""Compressed files, recognised by their first bytes: gzip, zstd and zip."""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

import zstandard

from ....domain.errors import SourceError
from .failures import damaged, unreadable
from .reading import Lookahead, Readable, Tapped

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_UNSUPPORTED = {b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"7z\xbc\xaf\x27\x1c": "7-zip"}
# What zipfile and the decompressors raise for a file that is not what it says.
_DAMAGE = (
    *(EOFError, ValueError, NotImplementedError, RuntimeError, OverflowError, struct.error),
    *(zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError),
)
_PIECE = 4096
"""Compressed bytes taken at a time: a block of zstd may grow 30,000-fold."""


@dataclass(frozen=True, slots=True)
class Member:
    """One uncompressed content: the file itself, or a file inside a zip."""

    name: str
    open: Callable[[], Readable]
    plain: bool = False


@contextmanager
def members(stream: BinaryIO, name: str) -> Iterator[list[Member]]:
    """What ``stream`` holds: one content, or every file of a zip in the order of their names.

    Raises a SourceError for a compression that is not supported, and for a zip without files.
    """
    ahead = Lookahead(Tapped(stream, name, None))
    head = ahead.peek(6)
    if head.startswith(_ZIP):
        with _seekable(stream, ahead, len(head), name) as file:
            yield _zip_members(file, name)
        return
    yield [_single(ahead, head, name)]


def _single(ahead: Lookahead, head: bytes, name: str) -> Member:
    if head.startswith(_GZIP):
        return Member(name, lambda: _Gzip(ahead, name))
    if head.startswith(_ZSTD):
        return Member(name, lambda: _Zstd(ahead, name))
    for magic, kind in _UNSUPPORTED.items():
        if head.startswith(magic):
            raise SourceError(
                f"{name} is compressed with {kind}, which is not supported",
                hint="compress it with gzip, zstd or zip instead",
            )
    return Member(name, lambda: ahead, plain=True)


@contextmanager
def _seekable(stream: BinaryIO, ahead: Lookahead, taken: int, name: str) -> Iterator[BinaryIO]:
    """The directory of a zip stands at its end: a stream is put aside in a temporary file."""
    if stream.seekable():
        stream.seek(-taken, io.SEEK_CUR)
        yield stream
        return
    with tempfile.TemporaryFile() as spool:
        try:
            while block := ahead.read(1 << 20):
                spool.write(block)
            spool.seek(0)
        except OSError as error:
            raise unreadable(error, f"the temporary copy of {name}") from error
        yield cast("BinaryIO", spool)


def _zip_members(stream: BinaryIO, name: str) -> list[Member]:
    try:
        archive = zipfile.ZipFile(stream)
        infos = sorted(
            (info for info in archive.infolist() if not info.is_dir()),
            key=lambda info: info.filename,
        )
    except _DAMAGE as error:
        raise damaged(name, f"is no readable zip ({error})", 0, error) from error
    except OSError as error:
        raise unreadable(error, name) from error
    if not infos:
        raise SourceError(f"{name} is a zip without any file", hint="check what was sent")
    return [
        Member(f"{name}:{info.filename}", _zip_opener(archive, info, f"{name}:{info.filename}"))
        for info in infos
    ]


def _zip_opener(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str
) -> Callable[[], Readable]:
    def open_member() -> Readable:
        if info.flag_bits & 1:
            raise SourceError(
                f"{name} is encrypted", hint="unpack it with its password, then read the files"
            )
        try:
            return _ZipMember(cast("Readable", archive.open(info)), name)
        except _DAMAGE as error:
            raise damaged(name, f"cannot be unpacked ({error})", 0, error) from error
        except OSError as error:
            raise unreadable(error, name) from error

    return open_member


class _Damageable:
    """A decompressing stream whose failures say in which file, and after how many bytes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._position = 0

    def read(self, size: int, /) -> bytes:
        try:
            data = self._take(size)
        except _DAMAGE as error:
            said = str(error) or "it breaks off"
            raise damaged(self._name, f"is damaged ({said})", self._position, error) from error
        except OSError as error:
            raise unreadable(error, self._name) from error
        self._position += len(data)
        return data

    def _take(self, size: int) -> bytes:
        raise NotImplementedError


class _Gzip(_Damageable):
    def __init__(self, stream: Readable, name: str) -> None:
        super().__init__(name)
        self._file = gzip.GzipFile(fileobj=cast("BinaryIO", stream), mode="rb")

    def _take(self, size: int) -> bytes:
        return self._file.read(size)


class _ZipMember(_Damageable):
    def __init__(self, stream: Readable, name: str) -> None:
        super().__init__(name)
        self._stream = stream

    def _take(self, size: int) -> bytes:
        return self._stream.read(size)


class _Zstd(_Damageable):
    """Frame by frame: zstandard's own reader takes a frame that breaks off for a complete one."""

    def __init__(self, stream: Readable, name: str) -> None:
        super().__init__(name)
        self._stream = stream
        self._context = zstandard.ZstdDecompressor()
        self._frame = self._context.decompressobj()
        self._started = False
        self._unused = b""
        self._plain = b""
        self._at = 0

    def _take(self, size: int) -> bytes:
        taken: list[bytes] = []
        while size and (self._at < len(self._plain) or self._advance()):
            part = self._plain[self._at : self._at + size]
            self._at += len(part)
            size -= len(part)
            taken.append(part)
        return b"".join(taken)

    def _advance(self) -> bool:
        """Decompress a little more; False at the end of the file."""
        data = self._unused or self._stream.read(_PIECE)
        self._unused = b""
        if not data:
            if self._started:
                raise EOFError("the last zstd frame breaks off")
            return False
        self._started = True
        self._plain, self._at = self._frame.decompress(data), 0
        if self._frame.eof:
            self._unused = self._frame.unused_data
            self._frame = self._context.decompressobj()
            self._started = False
        return True
