"""Reading an archived content, and knowing at its end that it is the one asked for."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, BinaryIO

import zstandard

from ....domain.errors import SourceError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class VerifiedReader(io.RawIOBase):
    """The uncompressed content of ``file``.

    Reading raises a SourceError where it does not decompress, and at its end when its digest is
    not ``digest``: a reader that has seen the end has seen the content that was archived.
    """

    def __init__(self, file: BinaryIO, digest: str) -> None:
        super().__init__()
        self._file = file
        self._digest = digest
        self._stream = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        self._found = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        try:
            size: int = self._stream.readinto(view)
        except zstandard.ZstdError as error:
            raise self._damaged(error) from error
        except OSError as error:
            raise self._damaged(error) from error
        self._found.update(view[:size])
        if not size and len(view) and self._found.hexdigest() != self._digest:
            raise self._damaged(None)
        return size

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()

    def _damaged(self, cause: Exception | None) -> SourceError:
        return SourceError(
            f"the archived content {self._digest} is damaged",
            hint="capture the same content again, which replaces it, or restore it from a backup",
            cause=cause,
            metadata={"digest": self._digest},
        )
