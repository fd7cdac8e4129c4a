"""What every archive has to do: subclass the suite to prove that yours does."""

from __future__ import annotations

import hashlib

import pytest

from ..domain.errors import SourceError, ValidationError
from ..ports.archive import ArchivedObject, RawArchive

MEGABYTE = 1 << 20


class ArchiveSuite:
    """The contract of :class:`RawArchive`, as tests.

    A subclass whose name starts with ``Test`` overrides the fixture ``archive`` (an empty one)
    and the method :meth:`damage`; one subclass for each kind of damage its storage can suffer.
    """

    @pytest.fixture
    def archive(self) -> RawArchive:
        """An archive without any content."""
        raise NotImplementedError("override the fixture archive")

    def damage(self, archive: RawArchive, digest: str) -> None:
        """Change what is stored under ``digest`` behind the archive's back."""
        raise NotImplementedError("override damage")

    @pytest.mark.parametrize(
        "pieces",
        [
            pytest.param([], id="nothing"),
            pytest.param([b"a|b\n", b"", b"1|2\n"], id="small pieces"),
            pytest.param([bytes([i]) * MEGABYTE for i in range(20)], id="20 MB"),
        ],
    )
    def test_content_comes_back_as_it_was_written(
        self, archive: RawArchive, pieces: list[bytes]
    ) -> None:
        content = b"".join(pieces)
        kept = keep(archive, *pieces)
        assert (kept.digest, kept.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
        assert kept.stored_bytes >= 0
        assert archive.contains(kept.digest)
        with archive.open(kept.digest) as stream:
            assert stream.read() == content

    def test_content_can_be_read_in_pieces_of_any_size(self, archive: RawArchive) -> None:
        content = bytes(range(256)) * 50
        kept = keep(archive, content)
        with archive.open(kept.digest) as stream:
            pieces = list(iter(lambda: stream.read(7), b""))
        assert b"".join(pieces) == content

    def test_nothing_is_kept_without_commit(self, archive: RawArchive) -> None:
        with archive.writer() as writer:
            writer.write(b"abc" * MEGABYTE)
        assert not archive.contains(hashlib.sha256(b"abc" * MEGABYTE).hexdigest())
        assert list(archive.digests()) == []

    def test_nothing_is_kept_when_the_writing_fails(self, archive: RawArchive) -> None:
        with pytest.raises(InterruptedError):
            _keep_half(archive, b"abc")
        assert list(archive.digests()) == []

    def test_the_same_content_is_kept_once(self, archive: RawArchive) -> None:
        first = keep(archive, b"same", b"content")
        second = keep(archive, b"samecontent")
        assert first == second
        assert list(archive.digests()) == [first.digest]

    def test_writers_at_the_same_time_do_not_mix(self, archive: RawArchive) -> None:
        with archive.writer() as one, archive.writer() as two:
            one.write(b"1")
            two.write(b"2")
            one.write(b"one")
            two.write(b"two")
            first, second = one.commit(), two.commit()
        assert archive.open(first.digest).read() == b"1one"
        assert archive.open(second.digest).read() == b"2two"
        assert sorted(archive.digests()) == sorted([first.digest, second.digest])

    def test_missing_content_is_a_source_error(self, archive: RawArchive) -> None:
        with pytest.raises(SourceError, match="a" * 64):
            archive.open("a" * 64)

    def test_deleted_content_is_gone_and_can_be_kept_again(self, archive: RawArchive) -> None:
        kept = keep(archive, b"abc")
        archive.delete(kept.digest)
        archive.delete(kept.digest)
        assert not archive.contains(kept.digest)
        with pytest.raises(SourceError):
            archive.open(kept.digest)
        assert keep(archive, b"abc") == kept

    def test_damage_is_found_by_the_end_of_reading(self, archive: RawArchive) -> None:
        kept = keep(archive, b"abc" * MEGABYTE)
        self.damage(archive, kept.digest)
        with pytest.raises(SourceError, match=kept.digest) as caught:
            archive.open(kept.digest).read()
        assert caught.value.hint

    def test_keeping_the_same_content_again_heals_a_damaged_copy(self, archive: RawArchive) -> None:
        content = b"".join(b"%d|OTCN\n" % number for number in range(200_000))
        first = keep(archive, content)
        other = keep(archive, b"of somebody else")
        self.damage(archive, first.digest)
        again = keep(archive, content[:999], content[999:])
        assert (again.digest, again.bytes) == (first.digest, first.bytes)
        assert archive.open(first.digest).read() == content
        assert archive.open(other.digest).read() == b"of somebody else"
        assert list(archive.digests()) == sorted([first.digest, other.digest])

    def test_a_damaged_copy_is_not_healed_without_commit(self, archive: RawArchive) -> None:
        content = b"abc" * MEGABYTE
        kept = keep(archive, content)
        self.damage(archive, kept.digest)
        with archive.writer() as writer:
            writer.write(content)
        with pytest.raises(SourceError, match=kept.digest):
            archive.open(kept.digest).read()

    @pytest.mark.parametrize("digest", ["", "abc", "../" * 22, "A" * 64, "a" * 64 + "\n"])
    def test_what_is_no_digest_is_refused(self, archive: RawArchive, digest: str) -> None:
        with pytest.raises(ValidationError):
            archive.open(digest)
        with pytest.raises(ValidationError):
            archive.delete(digest)


def keep(archive: RawArchive, *pieces: bytes) -> ArchivedObject:
    """Archive the pieces as one content."""
    with archive.writer() as writer:
        for piece in pieces:
            writer.write(piece)
        return writer.commit()


def _keep_half(archive: RawArchive, data: bytes) -> None:
    with archive.writer() as writer:
        writer.write(data)
        raise InterruptedError
