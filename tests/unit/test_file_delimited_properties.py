"""Whatever the bytes: every record is either taken apart or malformed, as a naive reader says."""

from __future__ import annotations

import io
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from market_spine.adapters.outbound.files.delimited import DelimitedText
from market_spine.adapters.outbound.files.encoding import TextStream
from market_spine.adapters.outbound.files.reading import Lookahead
from market_spine.ports.sources import LINE

TOKENS = [
    b"a",
    b"TRUE",
    b"007",
    b" ",
    b"|",
    b"|",
    b",",
    b",",
    b'"',
    b'"',
    b'""',
    b"\n",
    b"\n",
    b"\n",
    b"\r\n",
    b"\r",
    b"\0",
    b"\xff",
    b"\xc3\xa9",
    b"\xc3",
    b"x\x01",
    b"x\xda\x80",
    b"\xef\xbb\xbf",
    b"\\",
]
BODIES = st.lists(st.sampled_from(TOKENS), max_size=40).map(b"".join) | st.binary(max_size=60)


@dataclass
class Reading:
    """What came out: fields by line, reasons by line."""

    good: dict[int, list[str | None]]
    bad: dict[int, str]


@settings(max_examples=3000, deadline=None)
@given(
    body=BODIES,
    width=st.integers(1, 4),
    delimiter=st.sampled_from("|,"),
    quoted=st.booleans(),
    chunk_bytes=st.sampled_from([1, 3, 7, 20, 1 << 20]),
)
def test_reading_agrees_with_the_naive_reader(
    body: bytes, width: int, delimiter: str, quoted: bool, chunk_bytes: int
) -> None:
    header = delimiter.join(f"column{place}" for place in range(width)).encode() + b"\n"
    quote = '"' if quoted else "none"
    text = TextStream(Lookahead(io.BytesIO(header + body)), "auto", "any.csv")
    delimited = DelimitedText(
        text, delimiter=delimiter, quote=quote, chunk_bytes=chunk_bytes, longest=1 << 24
    )
    found = Reading({}, {})
    for frame, malformed in delimited.pieces():
        for *fields, line in frame.select(*delimited.layout.columns, LINE).rows():
            assert line not in found.good
            found.good[line] = fields
        for line, reason in malformed.select("line", "reason").rows():
            assert line not in found.bad
            found.bad[line] = reason
    assert found == read_naively(body, width, delimiter, quoted)


def read_naively(body: bytes, width: int, delimiter: str, quoted: bool) -> Reading:
    """One character at a time; the rules as the documentation of the package has them."""
    lines = body.split(b"\n")
    ended = [True] * (len(lines) - 1) + [False]
    if not lines[-1]:
        del lines[-1], ended[-1]
    records: list[tuple[int, str, list[str | None], str | None]] = []
    at = 0
    while at < len(lines):
        end, fields, reason = at, None, None
        while True:
            text = joined(lines, ended, at, end)
            state, fields = split(text, delimiter, quoted)
            if state != "open":
                break
            if end + 1 == len(lines):
                state = "bad"
                break
            end += 1
        wrong = len(fields) != width
        if state == "bad" or (end > at and wrong):
            end, reason = at, "BAD_QUOTING"
            text = joined(lines, ended, at, at)
        elif wrong:
            reason = "RAGGED_ROW"
        raw = b"\n".join(lines[at : end + 1])
        if not is_utf8(raw):
            reason = "BAD_ENCODING"
        if b"\0" in raw:
            reason = "NUL_BYTE"
        records.append((at + 2, text, fields, reason))
        at = end + 1
    while records and not records[-1][1]:
        records.pop()
    return Reading(
        {line: fields for line, _, fields, reason in records if reason is None},
        {line: reason for line, _, _, reason in records if reason is not None},
    )


def joined(lines: list[bytes], ended: list[bool], first: int, last: int) -> str:
    text = b"\n".join(lines[first : last + 1]).decode(errors="replace")
    return text.removesuffix("\r") if ended[last] else text


def is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def split(text: str, delimiter: str, quoted: bool) -> tuple[str, list[str | None]]:
    """The state at the end of ``text`` (closed, open, bad) and its fields."""
    if not quoted:
        return "closed", [field or None for field in text.split(delimiter)]
    fields: list[str | None] = []
    at = 0
    while True:
        if text[at : at + 1] == '"':
            at += 1
            value = ""
            while True:
                if at == len(text):
                    return "open", fields
                if text[at : at + 2] == '""':
                    value += '"'
                    at += 2
                elif text[at] == '"':
                    break
                else:
                    value += text[at]
                    at += 1
            at += 1
            if at < len(text) and text[at] != delimiter:
                return "bad", fields
            fields.append(value)
        else:
            end = text.find(delimiter, at)
            end = len(text) if end < 0 else end
            if '"' in text[at:end]:
                return "bad", fields
            fields.append(text[at:end] or None)
            at = end
        if at == len(text):
            return "closed", fields
        at += 1
