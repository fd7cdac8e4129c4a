"""Hashing and compression in a thread of their own, so that they overlap with parsing."""

from __future__ import annotations

import errno
import hashlib
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import zstandard

from ....domain.errors import Category, SourceError, SpineError, as_spine_error

LEVEL = 1
_WAITING = 4
"""How many pieces may wait: enough to keep both sides busy, few enough to bound the memory."""


def archive_failure(error: OSError, root: Path) -> SourceError:
    """What the operating system says of the archive folder, typed."""
    reason = error.strerror or str(error) or type(error).__name__
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return SourceError(
            f"the archive {root} is full: {reason}",
            category=Category.RESOURCE,
            hint="free space on that disk, then run again",
            cause=error,
        )
    if isinstance(error, PermissionError):
        return SourceError(
            f"the archive {root} may not be used: {reason}",
            category=Category.PERMISSION,
            hint="let the user that runs this process write there",
            cause=error,
        )
    return SourceError(
        f"the archive {root} cannot be used: {reason}",
        hint="check the folder and the disk it is on",
        cause=error,
    )


class CompressingPipe:
    """Pieces go in in order, zstd comes out in ``file``. Not for several threads to write to."""

    def __init__(self, file: BinaryIO, root: Path) -> None:
        self._file = file
        self._root = root
        self._digest = hashlib.sha256()
        self._size = 0
        self._failure: SpineError | None = None
        self._pieces: queue.Queue[bytes | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name="archive-compression", daemon=True)
        self._thread.start()

    def put(self, data: bytes) -> None:
        """Hand a piece over, waiting while too many are under way; raises an earlier failure."""
        self._check()
        # The caller may go on to change a bytearray; bytes are not copied.
        self._pieces.put(bytes(data))

    def finish(self) -> tuple[str, int]:
        """Digest and number of the bytes put in, once all of them are written."""
        self._end()
        self._check()
        return self._digest.hexdigest(), self._size

    def abandon(self) -> None:
        """Stop, without asking for the result."""
        self._end()

    def _end(self) -> None:
        if self._thread.is_alive():
            self._pieces.put(None)
            self._thread.join()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        pieces = iter(self._pieces.get, None)
        try:
            self._compress(pieces)
        except OSError as error:
            self._failure = archive_failure(error, self._root)
        except Exception as error:  # raised to the writer at its next call
            self._failure = as_spine_error(error, doing="compressing for the archive")
        # A failure must not leave the writer waiting for room in the queue.
        for _ in pieces:
            pass

    def _compress(self, pieces: Iterator[bytes]) -> None:
        compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compressobj()
        for piece in pieces:
            self._digest.update(piece)
            self._size += len(piece)
            self._write(compressor.compress(piece))
        self._write(compressor.flush())

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
