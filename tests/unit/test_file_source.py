from __future__ import annotations

import io
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from market_spine.adapters.outbound.archive import FolderArchive
from market_spine.adapters.outbound.files import FileSource
from market_spine.domain.errors import Category, SourceError, SpineError, ValidationError
from market_spine.ports.sources import LINE

PSV = "symbol|shares\nTRUE|1\n1|2|3\nBRK.B|2\n"
REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "finra"
NOW = datetime(2025, 12, 15, 12, tzinfo=UTC)


def write(path: Path, content: str = PSV) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_a_pattern_means_its_files_in_order(tmp_path: Path) -> None:
    for name in ("c.psv", "a.psv", "b.psv", "z.csv", "sub/d.psv"):
        write(tmp_path / name, f"name\n{name}\n")
    (tmp_path / "folder.psv").mkdir()
    flat = FileSource(tmp_path / "*.psv").fetch()
    assert flat.frame["name"].to_list() == ["a.psv", "b.psv", "c.psv"]
    assert flat.name == "*.psv"
    deep = FileSource(str(tmp_path / "**" / "*.psv")).fetch()
    assert deep.frame["name"].to_list() == ["a.psv", "b.psv", "c.psv", "sub/d.psv"]
    both = FileSource([tmp_path / "z.csv", tmp_path / "[ab].psv", tmp_path / "a.psv"]).fetch()
    assert both.frame["name"].to_list() == ["z.csv", "a.psv", "b.psv"]


def test_a_pattern_without_a_match_names_itself_and_the_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        FileSource(tmp_path / "otc_*.psv").validate()
    assert "otc_*.psv" in caught.value.message
    assert str(tmp_path) in caught.value.message
    with pytest.raises(SourceError, match="does not exist"):
        FileSource(tmp_path / "no" / "*.psv").validate()


def test_files_of_other_columns_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "1.psv", "a|b\n1|2\n")
    write(tmp_path / "2.psv", "b|a\n2|1\n")
    assert FileSource(tmp_path / "*.psv").fetch().frame.rows() == [("1", "2", 2), ("1", "2", 2)]
    write(tmp_path / "3.psv", "a|c\n1|2\n")
    source = FileSource(tmp_path / "*.psv")
    for work in (source.validate, source.fetch):
        with pytest.raises(ValidationError, match=r"3\.psv .* missing b, unexpected c"):
            work()


@pytest.mark.parametrize(
    ("path", "category"),
    [("missing.psv", Category.SOURCE), (".", Category.SOURCE), ("a.psv/b", Category.SOURCE)],
)
def test_what_cannot_be_opened_is_named(tmp_path: Path, path: str, category: Category) -> None:
    write(tmp_path / "a.psv")
    with pytest.raises(SourceError) as caught:
        FileSource(tmp_path / path).fetch()
    assert str(tmp_path / path) in caught.value.message
    assert caught.value.category is category
    assert not caught.value.retryable


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_a_permission_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.psv")
    path.chmod(0)
    with pytest.raises(SourceError) as caught:
        FileSource(path).fetch()
    assert caught.value.category is Category.PERMISSION


class Failing(io.RawIOBase):
    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        raise self.error

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


@pytest.mark.parametrize(
    ("error", "category"),
    [
        (OSError(5, "Input/output error"), Category.TRANSIENT),
        (OSError(28, "No space left on device"), Category.RESOURCE),
        (PermissionError(13, "Permission denied"), Category.PERMISSION),
    ],
)
def test_failures_of_the_disk_are_typed(error: OSError, category: Category) -> None:
    source = FileSource(content=Failing(error), name="a.psv")  # type: ignore[arg-type]  # raw
    with pytest.raises(SourceError, match=r"a\.psv") as caught:
        source.fetch()
    assert caught.value.category is category
    assert caught.value.cause is not None


@pytest.mark.parametrize("options", [{}, {"path": ""}, {"path": []}, {"path": "a\0b"}])
def test_a_source_of_nothing_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FileSource(**options)
    with pytest.raises(ValidationError, match="not both"):
        FileSource("a.psv", content=io.BytesIO(b""))


def test_the_description_has_what_was_given_and_touches_nothing() -> None:
    described = FileSource("no/where.psv", delimiter="|", columns=["a"]).describe()
    assert (described.type, described.name) == ("file", "where.psv")
    assert json.loads(json.dumps(described.options)) == {
        "path": ["no/where.psv"],
        "format": "auto",
        "delimiter": "|",
        "encoding": "auto",
        "quote": "auto",
        "columns": ["a"],
    }


def test_fetched_at_is_what_the_clock_says(tmp_path: Path) -> None:
    assert FileSource(write(tmp_path / "a.psv"), clock=lambda: NOW).fetch().fetched_at == NOW


def test_options_are_resolved_on_reading(tmp_path: Path) -> None:
    source = FileSource(write(tmp_path / "a.csv", "a;b\n1;2\n"))
    assert source.resolved_options is None
    next(source.stream())
    expected = {"format": "csv", "delimiter": ";", "encoding": "utf-8", "quote": '"'}
    assert source.resolved_options == expected
    write(tmp_path / "b.csv", "a;b\n1;2\n")
    several = FileSource(tmp_path / "*.csv")
    several.fetch()
    assert several.resolved_options is None


@pytest.mark.parametrize(
    "content",
    [
        PSV.encode(),
        PSV.encode("utf-16"),
        PSV.encode("utf-8-sig"),
        PSV.replace("|", "\t").encode(),
        b'a,b\n"1\n2",3\n4,"5"\n6\n',
        b'{"a": 1.10}\n{"a": \n',
        b'[{"a": 1.10}, 2]',
    ],
)
def test_an_archived_content_reads_as_the_file_did(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weekly.txt"
    path.write_bytes(content)
    archive = FolderArchive(tmp_path / "archive")
    source = FileSource(path)
    with archive.writer() as writer:
        original = source.fetch(tap=writer.write)
        kept = writer.commit()
    assert source.resolved_options is not None
    with archive.open(kept.digest) as stream:
        replay = FileSource(content=stream, name="weekly.txt", **source.resolved_options).fetch()
    assert replay.frame.equals(original.frame)
    assert replay.malformed.equals(original.malformed)
    assert (replay.digest, replay.bytes) == (kept.digest, original.bytes)


def test_an_archive_that_is_damaged_is_noticed_by_who_reads_from_it(tmp_path: Path) -> None:
    archive = FolderArchive(tmp_path / "archive")
    with archive.writer() as writer:
        writer.write(PSV.encode())
        kept = writer.commit()
        writer.write(b"")
    other = tmp_path / "archive" / kept.digest[:2] / f"{kept.digest[2:]}.zst"
    with archive.writer() as writer:
        writer.write(PSV.replace("BRK.B", "BRK.A").encode())
        changed = writer.commit().digest
    (tmp_path / "archive" / changed[:2] / f"{changed[2:]}.zst").replace(other)
    with pytest.raises(SourceError, match="damaged"):
        FileSource(content=archive.open(kept.digest), name="weekly.psv").fetch()


def test_batches_cut_good_and_malformed_records_at_the_same_line(tmp_path: Path) -> None:
    lines = [f"S{n}|{n}" if n % 3 else f"S{n}" for n in range(1000)]
    path = write(tmp_path / "a.psv", "\n".join(["symbol|shares", *lines]))
    last = 1
    for batch in FileSource(path).stream(batch_rows=7):
        found = sorted([*batch.frame[LINE], *batch.malformed["line"]])
        assert found == list(range(last + 1, last + 1 + len(found)))
        last = found[-1]
    assert last == 1001


def test_a_tap_that_fails_stops_the_reading(tmp_path: Path) -> None:
    def refuse(data: bytes) -> None:
        raise SpineError("full", category=Category.RESOURCE)

    with pytest.raises(SpineError, match="full"):
        FileSource(write(tmp_path / "a.psv")).fetch(tap=refuse)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real FINRA files are not on this machine")
@pytest.mark.parametrize(
    ("date", "size", "rows", "symbols", "shares"),
    [
        ("20251215", 556_300, 5328, 3111, 1_335_995_901),
        ("20251222", 539_272, 5192, 2985, 943_802_893),
    ],
)
def test_real_files(date: str, size: int, rows: int, symbols: int, shares: int) -> None:
    result = FileSource(REAL / f"finra_otc_weekly_otc_{date}.csv").fetch()
    assert (result.bytes, result.rows, result.malformed.height) == (size, rows, 0)
    assert result.frame["issueSymbolIdentifier"].n_unique() == symbols
    assert sum(map(int, result.frame["totalWeeklyShareQuantity"])) == shares
