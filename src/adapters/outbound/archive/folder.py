"""Captures as compressed files in a folder."""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from ....domain.errors import SourceError, ValidationError
from ....ports.archive import ArchivedObject
from .pipe import CompressingPipe, archive_failure
from .verified import VerifiedReader

_SHARD = re.compile(r"[0-9a-f]{2}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SUFFIX = ".zst"
_ORPHAN_SECONDS = 24 * 60 * 60.0
_PIECE_BYTES = 1 << 20


class FolderArchive:
    """Content in ``root``/ab/cdef….zst, where abcdef… is the SHA-256 of the uncompressed bytes.

    Any number of processes may share the folder. A file is visible under its digest only once it
    is complete and synced; an interrupted writer leaves at most a file in ``root``/tmp, which
    :meth:`sweep_temporary` removes. Content that is there already is read to its end when it is
    written again, and replaced when it is damaged.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def writer(self) -> Iterator[FolderWriter]:
        """A writer that keeps nothing unless it is committed."""
        writer = FolderWriter(self)
        try:
            yield writer
        finally:
            writer.close()

    def open(self, digest: str) -> BinaryIO:
        path = self._path(digest)
        try:
            file = path.open("rb")
        except FileNotFoundError as error:
            raise SourceError(
                f"the archive has no content {digest}",
                hint=f"check that {self._root} is the archive it was captured into",
                cause=error,
            ) from error
        except OSError as error:
            raise archive_failure(error, self._root) from error
        return cast("BinaryIO", io.BufferedReader(VerifiedReader(file, digest), 1 << 20))

    def contains(self, digest: str) -> bool:
        return self._path(digest).is_file()

    def digests(self) -> Iterator[str]:
        """All digests, ascending. Raises a SourceError when the folder cannot be looked into."""
        for folder in self._names(self._root):
            if _SHARD.fullmatch(folder):
                for name in self._names(self._root / folder):
                    digest = folder + name.removesuffix(_SUFFIX)
                    if name.endswith(_SUFFIX) and _DIGEST.fullmatch(digest):
                        yield digest

    def delete(self, digest: str) -> None:
        try:
            self._path(digest).unlink(missing_ok=True)
        except OSError as error:
            raise archive_failure(error, self._root) from error

    def sweep_temporary(self, *, older_than: float = _ORPHAN_SECONDS) -> int:
        """Remove what writers that died left behind ``older_than`` seconds ago; their number."""
        limit = time.time() - older_than
        swept = 0
        for path in self._temporary.glob(f"*{_SUFFIX}"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < limit:
                    path.unlink()
                    swept += 1
        return swept

    def _names(self, folder: Path) -> list[str]:
        # Globbing would take a folder that may not be read for an empty one.
        try:
            return sorted(path.name for path in folder.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise archive_failure(error, self._root) from error

    @property
    def _temporary(self) -> Path:
        return self._root / "tmp"

    def _path(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise ValidationError(
                f"{digest!r} is no digest", hint="give 64 lowercase hexadecimal digits"
            )
        return self._root / digest[:2] / (digest[2:] + _SUFFIX)

    def _holds(self, path: Path, digest: str) -> bool:
        """Whether a sound copy is there. One that cannot be read is as good as none."""
        try:
            with VerifiedReader(path.open("rb"), digest) as content:
                piece = bytearray(_PIECE_BYTES)
                while content.readinto(piece):
                    pass
        except (OSError, SourceError):
            return False
        return True

    def _create_temporary(self) -> tuple[BinaryIO, Path]:
        try:
            self._temporary.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(suffix=_SUFFIX, dir=self._temporary)
        except OSError as error:
            raise archive_failure(error, self._root) from error
        return os.fdopen(handle, "wb", buffering=0), Path(name)

    def _publish(self, temporary: Path, digest: str) -> int:
        """Make a complete, synced file visible; the bytes it takes."""
        path = self._path(digest)
        if not self._holds(path, digest):
            if not path.parent.is_dir():
                path.parent.mkdir(exist_ok=True)
                _sync_folder(self._root)
            # Atomic: whoever has the damaged file open goes on reading that one.
            temporary.replace(path)
        # Also where another writer was first: it may not have come to this line yet.
        _sync_folder(path.parent)
        return path.stat().st_size


class FolderWriter:
    """Receives one content. Hashing and compression run beside the caller, see the pipe."""

    def __init__(self, archive: FolderArchive) -> None:
        self._archive = archive
        self._file, self._temporary = archive._create_temporary()  # its own part
        self._pipe = CompressingPipe(self._file, archive._root)
        self._committed: ArchivedObject | None = None

    def write(self, data: bytes) -> None:
        """Take the next bytes; raises what went wrong with any bytes before, typed."""
        self._pipe.put(data)

    def commit(self) -> ArchivedObject:
        if self._committed is not None:
            return self._committed
        digest, size = self._pipe.finish()
        try:
            os.fsync(self._file.fileno())
            stored = self._archive._publish(self._temporary, digest)
        except OSError as error:
            raise archive_failure(error, self._archive._root) from error
        self._committed = ArchivedObject(digest, size, stored)
        return self._committed

    def close(self) -> None:
        """End the work and remove what was not committed."""
        self._pipe.abandon()
        self._file.close()
        self._temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
