from __future__ import annotations

import codecs
import io
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from market_spine.adapters.outbound.files import FileSource
from market_spine.adapters.outbound.files.delimited import DelimitedText
from market_spine.adapters.outbound.files.encoding import TextStream
from market_spine.adapters.outbound.files.layout import Layout
from market_spine.adapters.outbound.files.reading import Lookahead
from market_spine.adapters.outbound.files.regular import parse_regular
from market_spine.domain.errors import SourceError, SpineError, ValidationError
from market_spine.ports.sources import LINE, SourceResult


def read(content: str | bytes, **options: Any) -> SourceResult:
    raw = content.encode() if isinstance(content, str) else content
    return FileSource(content=io.BytesIO(raw), name="weekly.csv", **options).fetch()


def good(result: SourceResult) -> list[tuple[Any, ...]]:
    return result.frame.drop(LINE).rows()


def bad(result: SourceResult) -> list[tuple[int, str, str, str]]:
    return [(line, reason, detail, raw) for line, reason, detail, raw in result.malformed.rows()]


@pytest.mark.parametrize(
    "text", ["TRUE", "1E5", "NULL", "NA", "nan", "007", " x ", "+1", "#1", "-"]
)
@pytest.mark.parametrize("delimiter", ["|", ",", "\t", ";"])
def test_text_stays_text_exactly(text: str, delimiter: str) -> None:
    result = read(f"symbol{delimiter}shares\n{text}{delimiter}1\n2{delimiter}{text}\n")
    assert good(result) == [(text, "1"), ("2", text)]
    assert result.frame.schema == {"symbol": pl.String, "shares": pl.String, LINE: pl.Int64}
    assert result.delimiter == delimiter


def test_an_empty_field_is_null_and_an_empty_quoted_one_is_not() -> None:
    assert good(read('a,b,c\n,"",x\n"","",""\n')) == [(None, "", "x"), ("", "", "")]


def test_quotes_of_pipe_separated_text_are_literal() -> None:
    assert good(read('a|b\n"x|y"\n"q"|5" pipe\n')) == [('"x', 'y"'), ('"q"', '5" pipe')]


def test_quote_and_delimiter_can_be_given() -> None:
    assert good(read('a|b\n"x|y"|2\n', quote='"')) == [("x|y", "2")]
    assert good(read('a,b\n"x",2\n', quote="none")) == [('"x"', "2")]
    assert good(read("a b\x1fc\n1 2\x1f3\n", delimiter="\x1f")) == [("1 2", "3")]


def test_quoted_fields_hold_delimiters_quotes_and_line_ends() -> None:
    result = read('a,b\n"1,5","say ""no"""\n"two\r\nlines",x\nlast,"y"\r\n')
    assert good(result) == [("1,5", 'say "no"'), ("two\r\nlines", "x"), ("last", "y")]
    assert result.frame[LINE].to_list() == [2, 3, 5]


def test_ragged_lines_are_kept_with_what_was_expected() -> None:
    result = read("a|b|c\n1|2|3\n1|2\n1|2|3|4\n\n4|5|6\n")
    assert good(result) == [("1", "2", "3"), ("4", "5", "6")]
    assert bad(result) == [
        (3, "RAGGED_ROW", "expected 3 fields, found 2", "1|2"),
        (4, "RAGGED_ROW", "expected 3 fields, found 4", "1|2|3|4"),
        (5, "RAGGED_ROW", "expected 3 fields, found a blank line", ""),
    ]


def test_short_and_long_lines_that_balance_are_found() -> None:
    assert [row[0] for row in bad(read("a|b|c\n1|2\n1|2|3|\n1|2|3\n"))] == [2, 3]
    assert [row[0] for row in bad(read("a|b|c\n1|2|3|\n1|\n||\n"))] == [2, 3]


def test_what_cannot_be_decoded_is_escaped_and_named() -> None:
    result = read(b"a|b\ncaf\xe9|1\nx\0y|2\nz|3\n")
    assert good(result) == [("z", "3")]
    assert [(line, reason, raw) for line, reason, _, raw in bad(result)] == [
        (2, "BAD_ENCODING", "caf\\xe9|1"),
        (3, "NUL_BYTE", "x\\x00y|2"),
    ]
    assert "encoding=cp1252" in bad(result)[0][2]
    assert good(read(b"a|b\ncaf\xe9|1\n", encoding="cp1252")) == [("café", "1")]


def test_a_stray_quote_costs_its_own_line_only() -> None:
    result = read('a,b\n5" pipe,1\n"open,2\nx,3\n"y",4\n"never closed,5\nz,6\n')
    assert good(result) == [("x", "3"), ("y", "4"), ("z", "6")]
    assert [(line, reason) for line, reason, _, _ in bad(result)] == [
        (2, "BAD_QUOTING"),
        (3, "BAD_QUOTING"),
        (6, "BAD_QUOTING"),
    ]


CUT = "the file ends in the middle of this record"


@pytest.mark.parametrize("rest", ["3", "3|", "3|4"])
def test_a_last_record_without_line_end_and_some_fields_is_cut_off(rest: str) -> None:
    result = read(f"a|b|c\n0|1|2\n{rest}")
    assert good(result) == [("0", "1", "2")] + ([("3", None, None)] if rest.count("|") > 1 else [])
    assert bad(result) == [(3, "CUT_OFF", CUT, rest)]


@pytest.mark.parametrize("rest", ["3|4|", "3|4|5", "||", '3|"|5'])
def test_a_complete_last_record_needs_no_line_end(rest: str) -> None:
    result = read(f"a|b|c\n0|1|2\n{rest}")
    assert result.rows == result.frame.height == 2


def test_only_the_last_record_can_be_cut_off() -> None:
    result = read("a|b|c\n0|1\n2|3|4\n5|6\n7")
    assert [row[:2] for row in bad(result)] == [
        (2, "RAGGED_ROW"),
        (4, "RAGGED_ROW"),
        (5, "CUT_OFF"),
    ]
    assert [row[:2] for row in bad(read("a|b|c\n0|1\n"))] == [(2, "RAGGED_ROW")]
    assert [row[:2] for row in bad(read("a|b|c\n0|1|2|3"))] == [(2, "RAGGED_ROW")]


@pytest.mark.parametrize("last", [b"caf\xc3", b"\0\0\0\0", b"x\0|y"])
def test_a_cut_goes_before_what_else_is_wrong_with_the_record(last: bytes) -> None:
    assert [row[:2] for row in bad(read(b"a|b|c\n0|1|2\n" + last))] == [(3, "CUT_OFF")]


def test_a_cut_through_a_unit_of_utf_16_is_seen() -> None:
    content = "a|b\n1|2\n3|4\n".encode("utf-16-le")
    result = read(content[:-7], encoding="utf-16-le")
    assert [row[:2] for row in bad(result)] == [(3, "CUT_OFF")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('1,"open', [(2, "CUT_OFF")], id="in the last line"),
        pytest.param('1,"say ""', [(2, "CUT_OFF")], id="in a doubled quote"),
        pytest.param('1,"open\n', [(2, "CUT_OFF")], id="at a line end inside the field"),
        pytest.param('1,"open\n\n\r\n', [(2, "CUT_OFF")], id="at blank lines inside the field"),
        pytest.param('1,"a\nb', [(2, "CUT_OFF"), (3, "CUT_OFF")], id="in its second line"),
        pytest.param('1,"a\nb,c', [(2, "CUT_OFF")], id="in a line that looks like a record"),
        pytest.param('1,"a\nb,c\n', [(2, "BAD_QUOTING")], id="not if a whole line follows"),
        pytest.param('1,5" pipe\n', [(2, "BAD_QUOTING")], id="not for a quote in mid-field"),
    ],
)
@pytest.mark.parametrize("chunk_bytes", [1, 4, 1000])
def test_a_text_that_ends_inside_a_quoted_field_is_cut_off(
    text: str, expected: list[tuple[int, str]], chunk_bytes: int
) -> None:
    content = ("a,b\n" + text).encode()
    pieces = list(in_chunks(content, chunk_bytes=chunk_bytes, longest=1000).pieces())
    found = [row[:2] for piece in pieces for row in piece.malformed.rows()]
    assert found == expected


def test_every_cut_through_a_record_is_seen() -> None:
    content = b'a,b,c\n1,"x,y",3\n4,"two\nlines",6\n7,"say ""no""",9\n'
    # Elsewhere a cut leaves a complete record, which nobody can tell from the end.
    complete = {
        place
        for place in range(6, len(content) + 1)
        if content[:place].endswith((b",3", b",3\n", b",6", b",6\n", b",9", b",9\n", b'y",'))
        or content[:place].endswith((b'lines",', b'no""",'))
    } | {len(b"a,b,c\n")}
    for place in range(6, len(content) + 1):
        reasons = {reason for _, reason, _, _ in bad(read(content[:place]))}
        assert ("CUT_OFF" in reasons) == (place not in complete), content[:place]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]
)
def test_byte_order_marks_tell_the_encoding(encoding: str) -> None:
    marks = {
        "utf-16-le": codecs.BOM_UTF16_LE,
        "utf-16-be": codecs.BOM_UTF16_BE,
        "utf-32-be": codecs.BOM_UTF32_BE,
    }
    content = marks.get(encoding, b"") + "name|x\nÉmile €|1\n".encode(encoding)
    result = read(content)
    assert good(result) == [("Émile €", "1")]
    assert result.frame.columns[0] == "name"
    assert result.bytes == len(content)


def test_a_broken_character_of_utf_16_is_malformed() -> None:
    content = "a|b\n1|2\n".encode("utf-16-le") + b"\x00\xd8" + "x|3\n4|5\n".encode("utf-16-le")
    result = read(content, encoding="utf-16-le")
    assert good(result) == [("1", "2"), ("4", "5")]
    assert [(line, reason, raw) for line, reason, _, raw in bad(result)] == [
        (3, "BAD_ENCODING", "\\x00\\xd8x|3")
    ]


def test_line_ends_of_all_kinds() -> None:
    assert good(read("a|b\r\n1|2\r\n3|4\n5|6")) == [("1", "2"), ("3", "4"), ("5", "6")]
    assert good(read("a|b\n1\r2|3\r\r\n4|5\r")) == [("1\r2", "3\r"), ("4", "5\r")]


def test_blank_lines_at_the_end_are_no_records() -> None:
    assert read("a|b\n1|2\n\n\r\n\n").rows == 1
    assert read("a\n1\n\n\n").rows == 1
    assert read("a,b\n\n\n").rows == 0


def test_a_blank_line_of_a_single_column_is_a_null() -> None:
    result = read("a\n1\n\n2\n\n")
    assert good(result) == [("1",), (None,), ("2",)]
    assert result.frame[LINE].to_list() == [2, 3, 4]


def test_a_header_alone_is_no_records_of_known_columns() -> None:
    for content in ("a|b", "a|b\n", "a|b\r\n"):
        result = read(content)
        assert result.rows == 0
        assert result.frame.columns == ["a", "b", LINE]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (codecs.BOM_UTF8, "empty"),
        (codecs.BOM_UTF16_LE, "empty"),
        (b"\n1|2\n", "blank"),
        (b"a||c\n", "column 2 of 3"),
        (b"a|b|a\n", "twice: a"),
        (b"a|_line\n", "_line"),
        (b'"a,b\n1,2\n', "quoted"),
        (b"a\0|b\n", "NUL"),
        (b"caf\xe9|b\n", "cannot be decoded"),
        (b"\x1f\x01|b\n", "control"),
    ],
)
def test_a_header_that_is_none_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        read(content)
    assert "weekly.csv" in caught.value.message
    assert caught.value.hint


def test_expected_columns_must_be_there_and_others_may() -> None:
    assert good(read("b|a|c\n1|2|3\n", columns=["a", "b"])) == [("1", "2", "3")]
    with pytest.raises(ValidationError, match="lacks b, d; unexpected: c") as caught:
        read("a|c\n1|2\n", columns=["a", "b", "d"])
    assert caught.value.context.metadata["missing"] == ["b", "d"]
    assert caught.value.context.metadata["unexpected"] == ["c"]


@pytest.mark.parametrize(
    "options",
    [
        {"delimiter": ""},
        {"delimiter": "||"},
        {"delimiter": "a"},
        {"delimiter": "\n"},
        {"delimiter": "é"},
        {"quote": "'"},
        {"encoding": "klingon"},
        {"encoding": "base64"},
        {"encoding": "idna"},
        {"format": "xlsx"},
    ],
)
def test_options_that_cannot_be_are_refused_before_reading(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        FileSource("nowhere.csv", **options)
    assert caught.value.hint


def in_chunks(content: bytes, *, chunk_bytes: int, longest: int) -> DelimitedText:
    text = TextStream(Lookahead(io.BytesIO(content)), "auto", "weekly.csv")
    return DelimitedText(
        text, delimiter="auto", quote="auto", chunk_bytes=chunk_bytes, longest=longest
    )


def test_a_line_without_end_stops_before_it_fills_the_memory() -> None:
    endless = in_chunks(b"a|b\n1|2\n" + b"x" * 1000, chunk_bytes=64, longest=256)
    with pytest.raises(SourceError, match="more than 256 bytes from byte 8 on"):
        list(endless.pieces())


def test_a_quoted_field_over_the_limit_is_a_stray_quote() -> None:
    content = b'a,b\n"' + b"x,1\n" * 100 + b'",2\n'
    pieces = list(in_chunks(content, chunk_bytes=64, longest=128).pieces())
    lines = [line for piece in pieces for line in piece.malformed["line"]]
    assert lines == [2, 102]
    assert sum(piece.frame.height for piece in pieces) == 99


def test_line_numbers_go_on_across_chunks_and_held_back_blank_lines() -> None:
    content = b'a,b\n1,2\n\n\n\n\n"m\n\n\nn",3\n4\n\n5,6\n\n\n'
    for chunk_bytes in (1, 2, 5, 1000):
        pieces = list(in_chunks(content, chunk_bytes=chunk_bytes, longest=1000).pieces())
        found = [line for piece in pieces for line in piece.frame[LINE]]
        wrong = [line for piece in pieces for line in piece.malformed["line"]]
        assert found == [2, 7, 13], chunk_bytes
        assert wrong == [3, 4, 5, 6, 11, 12], chunk_bytes


class TestFastPath:
    """What the fast path takes, and what it must leave to the slow one."""

    @pytest.mark.parametrize(
        "chunk",
        [
            b"1|2|3\n",
            b"1|2|3\r\n4|5|6\r\n",
            b"1||\n|2|\n||\n",
            b"1|2|3",
            "é|€|𝄞\n".encode(),
            b'"|"|""\n',
            b"x\x01|2|3\n",
            "xڀ|2|3\n".encode(),
            codecs.BOM_UTF8 + b"1|2|3\n",
        ],
    )
    def test_regular_chunks_are_taken_exactly(self, chunk: bytes) -> None:
        frame = parse_regular(chunk, Layout(("a", "b", "c"), "|", quoted=False))
        lines = chunk.decode().replace("\r\n", "\n").removesuffix("\n").split("\n")
        assert frame is not None
        assert frame.rows() == [tuple(field or None for field in line.split("|")) for line in lines]

    @pytest.mark.parametrize(
        "chunk",
        [
            b"1|2\n",
            b"1|2|3|4\n",
            b"1|2\n1|2|3|4\n",
            b"1|2|3|4\n1|2\n",
            b"1|2\n1|2|3|\n",
            b"1|2|3\n\n",
            b"1|2|\xff\n",
            b"1|2|\0\n",
            b"1|\r|3\n",
            b"1|2|3\r\r\n",
            b"1|2|3\r",
        ],
    )
    def test_irregular_chunks_are_left(self, chunk: bytes) -> None:
        assert parse_regular(chunk, Layout(("a", "b", "c"), "|", quoted=False)) is None

    @pytest.mark.parametrize("chunk", [b'"1",2\n', b'"1,5","say ""no"""\n"",x\n'])
    def test_well_quoted_lines_are_taken(self, chunk: bytes) -> None:
        assert parse_regular(chunk, Layout(("a", "b"), ",", quoted=True)) is not None

    @pytest.mark.parametrize(
        "chunk", [b'"1\n2",3\n', b'1"2,3\n', b'"1"2,3\n', b'"1,2\n', b'"1,2"\n', b'"1",2,3\n']
    )
    def test_oddly_quoted_lines_are_left(self, chunk: bytes) -> None:
        assert parse_regular(chunk, Layout(("a", "b"), ",", quoted=True)) is None


def test_a_thousand_columns_are_read_either_way() -> None:
    width = 1000
    header = ",".join(f"column{place}" for place in range(width))
    row = ",".join(['"x"'] * width)
    result = read(f"{header}\n{row}\n{row},\n")
    assert good(result) == [("x",) * width]
    assert [row[:2] for row in bad(result)] == [(3, "RAGGED_ROW")]


def test_an_error_says_where_it_is_in_json_ready_metadata() -> None:
    with pytest.raises(SpineError) as caught:
        read("a|c\n", columns=["b"])
    assert SpineError.from_dict(caught.value.to_dict()).to_dict() == caught.value.to_dict()


def test_text_whose_lines_end_in_a_carriage_return_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mac.csv"
    path.write_bytes(b"a,b\r1,2\r3,4\r")
    with pytest.raises(ValidationError, match="carriage return") as caught:
        FileSource(path).fetch()
    assert "LF" in str(caught.value)
