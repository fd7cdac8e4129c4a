from __future__ import annotations

import io
from typing import Any

import polars as pl
import pytest

from market_spine.adapters.outbound.files import FileSource
from market_spine.adapters.outbound.files.encoding import TextStream
from market_spine.adapters.outbound.files.json_document import json_document
from market_spine.adapters.outbound.files.reading import Lookahead
from market_spine.domain.errors import SpineError, ValidationError
from market_spine.ports.sources import LINE, SourceResult


def read(content: str | bytes, **options: Any) -> SourceResult:
    raw = content.encode() if isinstance(content, str) else content
    return FileSource(content=io.BytesIO(raw), name=options.pop("name", "any"), **options).fetch()


RECORD = (
    '{"s":"TRUE","n":1.10,"e":1.25E9,"big":123456789012345678901,"t":true,"z":null,"u":"\\u00e9"}'
)
VALUES = ("TRUE", "1.10", "1.25E9", "123456789012345678901", "true", None, "é")


@pytest.mark.parametrize("content", [RECORD, f"[{RECORD}]", f" [ \n {RECORD} ] \n"])
def test_values_are_text_as_written(content: str) -> None:
    result = read(content)
    assert result.frame.drop(LINE).rows() == [VALUES]
    assert set(result.frame.drop(LINE).dtypes) == {pl.String()}


def test_nested_values_are_json_with_their_numbers_as_written() -> None:
    result = read('[{"a": {"x": [1.10, "1.10", null, true, {"é": 1E5}]}}]')
    assert result.frame["a"].to_list() == ['{"x":[1.10,"1.10",null,true,{"\\u00e9":1E5}]}']


def test_a_missing_key_is_null_and_a_late_one_is_a_column() -> None:
    result = read('[{"a":1},{"b":2},{"a":3,"c":{}}]', columns=["a"])
    assert result.frame.rows() == [("1", None, None, 1), (None, "2", None, 2), ("3", None, "{}", 3)]
    assert result.frame.columns == ["a", "b", "c", LINE]


def test_a_late_key_is_a_column_from_its_batch_on() -> None:
    content = '{"a":1}\n' * 30_000 + '{"a":1,"b":2}\n'
    source = FileSource(content=io.BytesIO(content.encode()), name="x.jsonl")
    columns = [batch.frame.columns for batch in source.stream(batch_rows=10_000)]
    assert columns[0] == ["a", LINE]
    assert columns[-1] == ["a", "b", LINE]


def test_elements_that_are_no_objects_are_malformed() -> None:
    result = read('[1, {"a": 1}, "x", null, [], {"_line": 1}, true, 12]', format="json")
    assert result.frame.rows() == [("1", 2)]
    assert result.malformed.select("line", "reason", "raw").rows() == [
        (1, "BAD_JSON", "1"),
        (3, "BAD_JSON", '"x"'),
        (4, "BAD_JSON", "null"),
        (5, "BAD_JSON", "[]"),
        (6, "BAD_JSON", '{"_line": 1}'),
        (7, "BAD_JSON", "true"),
        (8, "BAD_JSON", "12"),
    ]


def test_lines_that_are_no_json_are_malformed_and_the_others_stay() -> None:
    lines = [
        b'{"a": 1}',
        b'{"a": 1',
        b"",
        b"[1]",
        b'{"a": 1, "a": 2}',
        b'{"a": "\xff"}',
        b'{"a": "\0"}',
        b'{"a": "\\ud800"}',
        b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"a": 2}\r',
        b"",
        b"",
    ]
    result = read(b"\n".join(lines), format="jsonl")
    assert result.frame.rows() == [("1", 1), ("2", 10)]
    assert result.malformed.select("line", "reason").rows() == [
        (2, "BAD_JSON"),
        (3, "BAD_JSON"),
        (4, "BAD_JSON"),
        (5, "BAD_JSON"),
        (6, "BAD_ENCODING"),
        (7, "NUL_BYTE"),
        (8, "BAD_ENCODING"),
        (9, "BAD_JSON"),
    ]
    assert "'a' stands twice" in result.malformed["detail"][3]


LINES = '{"a": {"b": "é"}, "c": 1}\n'.encode() * 2


@pytest.mark.parametrize("place", range(len(LINES) // 2 + 1, len(LINES)))
def test_every_cut_through_a_line_of_json_is_seen(place: int) -> None:
    result = read(LINES[:place], format="jsonl")
    if place == len(LINES) - 1:  # only the line end is missing
        assert result.frame.height == 2
    else:
        assert result.malformed.select("line", "reason").rows() == [(2, "CUT_OFF")]


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (b'{"a": 1\n', "BAD_JSON"),
        (b'{"a": 1\n\n', "BAD_JSON"),
        (b'{"a": "\xff"}', "BAD_ENCODING"),
        (b'{"a": "\0"}', "NUL_BYTE"),
        (b"[1]", "BAD_JSON"),
    ],
)
def test_a_wrong_line_that_is_complete_is_not_cut_off(last: bytes, reason: str) -> None:
    result = read(b'{"a": 1}\n' + last, format="jsonl")
    assert result.malformed.select("line", "reason").rows() == [(2, reason)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[", "where it ends"),
        ('[{"a": 1}', "where it ends"),
        ('[{"a": 1},', "where it ends"),
        ('[{"a": 1}, {"a"', "where it ends"),
        ('[{"a": 1} {"a": 2}]', "expected ',' or ']'"),
        ('[{"a": 1}] x', "nothing more"),
        ('{"a": 1} {"a": 2}', "nothing more"),
        ('[{"a": 1, "a": 2}]', "twice"),
        ("[" * 100_000, "deeply"),
        ("", "empty"),
        ('[{"a": "\0"}]', "character 9"),
    ],
)
def test_a_document_that_is_none_is_refused(content: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        read(content, format="json", name="daily.json")
    assert "daily.json" in caught.value.message


def test_bytes_that_are_no_text_are_named_by_their_place() -> None:
    with pytest.raises(ValidationError, match="character 9") as caught:
        read(b'[{"a": "\xe9"}]')
    assert "encoding=" in str(caught.value.hint)


@pytest.mark.parametrize("size", [1, 2, 3, 10, 1000])
def test_documents_are_read_alike_in_pieces_of_any_size(size: int) -> None:
    content = f'\ufeff[{RECORD}, 12 ,{{"é€𝄞": "𝄞"}}, 3.5e10]'.encode()
    text = TextStream(Lookahead(io.BytesIO(content)), "auto", "any.json")
    pieces = list(json_document(text, expected=None, chunk_bytes=size, longest=10_000))
    assert [piece.frame.height for piece in pieces] == [2]
    assert pieces[0].frame["é€𝄞"].to_list() == [None, "𝄞"]
    assert pieces[0].malformed["raw"].to_list() == ["12", "3.5e10"]


def test_an_element_without_end_stops_before_it_fills_the_memory() -> None:
    text = TextStream(Lookahead(io.BytesIO(b'[{"a": "' + b"x" * 5000)), "auto", "any.json")
    with pytest.raises(ValidationError, match="more than 1,000"):
        list(json_document(text, expected=None, chunk_bytes=100, longest=1000))


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        ("any", '[{"a": 1}]', "json"),
        ("any.csv", '\n [ {"a": 1}]', "json"),
        ("any", '{"a": 1}', "json"),
        ("any", '{\n"a": 1}', "json"),
        ("any", '{"a": 1}\n{"a": 2}', "jsonl"),
        ("any.ndjson.gz", '{"a": 1}', "jsonl"),
        ("any.json", "[]", "json"),
        ("any.csv", "a,b\n1,2\n", "csv"),
        ("any.txt", "a|b\n1|2\n", "psv"),
        ("any.psv", "a\n1\n", "psv"),
        ("any", "[x],b\n1,2\n", "csv"),
    ],
)
def test_the_format_is_told_by_the_content(name: str, content: str, format: str) -> None:
    source = FileSource(content=io.BytesIO(content.encode()), name=name)
    source.fetch()
    assert source.resolved_options is not None
    assert source.resolved_options["format"] == format


def test_json_in_another_encoding() -> None:
    assert read('[{"a": "é"}]'.encode("utf-16")).frame["a"].to_list() == ["é"]


@pytest.mark.parametrize("depth", [10, 900, 1100, 3000, 50_000])
def test_nesting_of_any_depth_is_read_or_refused(depth: int) -> None:
    content = '{"a":' * depth + "1" + "}" * depth
    try:
        assert read(content, format="json").rows == 1
    except SpineError as error:
        assert "deeply" in error.message  # noqa: PT017  # how deep is too deep is Python's choice
