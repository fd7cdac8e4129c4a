"""An archive that lives as long as the test."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from ..domain.errors import SourceError, ValidationError
from ..ports.archive import ArchivedObject

_DIGEST = re.compile(r"[0-9a-f]{64}")


class MemoryArchive:
    """Content in a dictionary, by digest. ``contents`` may be looked into, and damaged."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}

    @contextmanager
    def writer(self) -> Iterator[MemoryWriter]:
        """A writer that keeps nothing unless it is committed."""
        yield MemoryWriter(self.contents)

    def open(self, digest: str) -> BinaryIO:
        content = self.contents.get(_checked(digest))
        if content is None:
            raise SourceError(f"the archive has no content {digest}", hint="capture it first")
        if hashlib.sha256(content).hexdigest() != digest:
            raise SourceError(
                f"the archived content {digest} is damaged", hint="capture the same content again"
            )
        return io.BytesIO(content)

    def contains(self, digest: str) -> bool:
        return _checked(digest) in self.contents

    def digests(self) -> Iterator[str]:
        return iter(sorted(self.contents))

    def delete(self, digest: str) -> None:
        self.contents.pop(_checked(digest), None)


class MemoryWriter:
    """Receives one content."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        self._contents = contents
        self._pieces = bytearray()

    def write(self, data: bytes) -> None:
        self._pieces += data

    def commit(self) -> ArchivedObject:
        content = bytes(self._pieces)
        digest = hashlib.sha256(content).hexdigest()
        # Also over what is there already: it may have been damaged.
        self._contents[digest] = content
        return ArchivedObject(digest, len(content), len(content))


def _checked(digest: str) -> str:
    if not _DIGEST.fullmatch(digest):
        raise ValidationError(
            f"{digest!r} is no digest", hint="give 64 lowercase hexadecimal digits"
        )
    return digest
