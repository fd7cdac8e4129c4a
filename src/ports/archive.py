"""The archive of raw captures: compressed, named by the SHA-256 of their uncompressed content."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class ArchivedObject:
    """What is kept under ``digest`` (hex SHA-256): sizes in bytes, uncompressed and stored."""

    digest: str
    bytes: int
    stored_bytes: int


class ArchiveWriter(Protocol):
    """Receives content in pieces. Without :meth:`commit` nothing is kept."""

    def write(self, data: bytes) -> None: ...

    def commit(self) -> ArchivedObject:
        """Make the content durable (synced) under its digest. The same content is kept once;
        a copy of it that has been damaged is replaced."""
        ...


class RawArchive(Protocol):
    """Content-addressed storage. Written before the transaction that refers to it."""

    def writer(self) -> AbstractContextManager[ArchiveWriter]: ...

    def open(self, digest: str) -> BinaryIO:
        """The uncompressed content as a stream.

        Raises a SourceError when it is missing, and on reading when it is damaged.
        """
        ...

    def contains(self, digest: str) -> bool: ...

    def digests(self) -> Iterator[str]: ...

    def delete(self, digest: str) -> None:
        """Forget the content; nothing happens when it is not there."""
        ...
