from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zstandard

from market_spine.adapters.outbound.archive import FolderArchive
from market_spine.adapters.outbound.archive.pipe import CompressingPipe
from market_spine.domain.errors import Category, SourceError
from market_spine.ports.archive import RawArchive
from market_spine.testing.archive_suite import ArchiveSuite, keep
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


class TestFolderArchiveWithBytesAppended(TestFolderArchive):
    def damage(self, archive: RawArchive, digest: str) -> None:
        path = stored(archive, digest)
        path.write_bytes(path.read_bytes() + b"\0" * 512)


class TestFolderArchiveWithAnotherContent(TestFolderArchive):
    """Sound in itself, so that only the digest tells."""

    def damage(self, archive: RawArchive, digest: str) -> None:
        other = zstandard.ZstdCompressor(write_checksum=True).compress(b"something else")
        stored(archive, digest).write_bytes(other)


class TestFolderArchiveWithLinkToNowhere(TestFolderArchive):
    def damage(self, archive: RawArchive, digest: str) -> None:
        path = stored(archive, digest)
        path.unlink()
        path.symlink_to("nowhere")


def test_an_interrupted_writer_leaves_a_file_that_is_swept_after_a_day(tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path)
    with archive.writer() as writer:
        writer.write(b"abc")
        (orphan,) = (tmp_path / "tmp").iterdir()
        kept = orphan.with_name("orphan.zst")
        kept.write_bytes(b"half a content")
    assert list((tmp_path / "tmp").iterdir()) == [kept]
    assert archive.sweep_temporary() == 0
    yesterday = kept.stat().st_mtime - 25 * 3600
    os.utime(kept, (yesterday, yesterday))
    assert archive.sweep_temporary() == 1
    assert list((tmp_path / "tmp").iterdir()) == []


def test_content_is_compressed_in_a_folder_by_its_first_digits(tmp_path: Path) -> None:
    kept = keep(FolderArchive(tmp_path), b"a|b\n" * 100_000)
    path = tmp_path / kept.digest[:2] / f"{kept.digest[2:]}.zst"
    assert path.stat().st_size == kept.stored_bytes < kept.bytes / 100


def test_files_that_are_no_content_are_not_listed(tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path)
    kept = keep(archive, b"abc")
    (tmp_path / kept.digest[:2] / "notes.zst").write_bytes(b"")
    (tmp_path / "README").write_bytes(b"")
    assert list(archive.digests()) == [kept.digest]


def test_a_commit_can_be_asked_for_twice(tmp_path: Path) -> None:
    with FolderArchive(tmp_path).writer() as writer:
        writer.write(b"abc")
        assert writer.commit() == writer.commit()


def test_a_folder_that_cannot_be_made_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SourceError, match="archive"), FolderArchive(tmp_path / "file").writer():
        pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("pieces", [1, 100])
def test_a_full_disk_reaches_the_writer(tmp_path: Path, pieces: int) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        pipe = CompressingPipe(full, tmp_path)
        with pytest.raises(SourceError, match="full") as caught:
            put_all_and_finish(pipe, pieces)
        pipe.abandon()
    assert caught.value.category is Category.RESOURCE
    assert caught.value.hint


def put_all_and_finish(pipe: CompressingPipe, pieces: int) -> None:
    for piece in range(pieces):
        pipe.put(hashlib.sha512(bytes([piece])).digest() * 10_000)
    pipe.finish()


def test_a_sound_copy_is_left_alone(tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path)
    path = stored(archive, keep(archive, b"abc").digest)
    before = path.stat()
    keep(archive, b"abc")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert list((tmp_path / "tmp").iterdir()) == []


def test_many_threads_heal_the_same_content(tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path)
    content = b"a|b\n" * 500_000
    path = stored(archive, keep(archive, content).digest)
    path.write_bytes(path.read_bytes()[:100])
    with ThreadPoolExecutor(8) as pool:
        kept = set(pool.map(lambda _: keep(archive, content), range(16)))
    assert {one.stored_bytes for one in kept} == {path.stat().st_size}
    assert archive.open(kept.pop().digest).read() == content
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_stands_in_the_way_of_a_content_is_a_typed_error(tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path)
    path = stored(archive, keep(archive, b"abc").digest)
    path.unlink()
    (path / "folder").mkdir(parents=True)
    with pytest.raises(SourceError, match="archive") as caught:
        keep(archive, b"abc")
    assert caught.value.hint
    assert list((tmp_path / "tmp").iterdir()) == []


def test_an_archive_that_is_no_folder_lists_nothing_silently(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SourceError, match="archive"):
        list(FolderArchive(tmp_path / "file").digests())
    assert list(FolderArchive(tmp_path / "not there yet").digests()) == []


def test_many_threads_archive_at_the_same_time(tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path)
    contents = [bytes([number % 4]) * 100_000 for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(lambda content: keep(archive, content), contents))
    assert len({one.digest for one in kept}) == len(list(archive.digests())) == 4
    for one, content in zip(kept, contents, strict=True):
        assert archive.open(one.digest).read() == content
    assert list((tmp_path / "tmp").iterdir()) == []


def stored(archive: RawArchive, digest: str) -> Path:
    assert isinstance(archive, FolderArchive)
    return archive._root / digest[:2] / f"{digest[2:]}.zst"
