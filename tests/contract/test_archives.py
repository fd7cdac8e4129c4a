from __future__ import annotations

from pathlib import Path

import pytest
from market_spine.adapters.outbound.archive import FolderArchive
from market_spine.ports.archive import RawArchive
from market_spine.testing.archive_suite import ArchiveSuite
from market_spine.testing.memory_archive import MemoryArchive


class TestMemoryArchive(ArchiveSuite):
    @pytest.fixture
    def archive(self) -> MemoryArchive:
        return MemoryArchive()

    def damage(self, archive: RawArchive, digest: str) -> None:
        assert isinstance(archive, MemoryArchive)
        archive.contents[digest] = b"something else"


class TestFolderArchive(ArchiveSuite):
    @pytest.fixture
    def archive(self, tmp_path: Path) -> FolderArchive:
        return FolderArchive(tmp_path / "archive")

    def damage(self, archive: RawArchive, digest: str) -> None:
        path = stored(archive, digest)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)


class TestFolderArchiveWithTruncatedFile(TestFolderArchive):
    def damage(self, archive: RawArchive, digest: str) -> None:
        path = stored(archive, digest)
        path.write_bytes(path.read_bytes()[:-30])


class TestFolderArchiveWithEmptyFile(TestFolderArchive):
    def damage(self, archive: RawArchive, digest: str) -> None:
        stored(archive, digest).write_bytes(b"")


def stored(archive: RawArchive, digest: str) -> Path:
    assert isinstance(archive, FolderArchive)
    return archive._root / digest[:2] / f"{digest[2:]}.zst"
