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


FIELDS = st.sampled_from(
    [
        b"",
        b"a",
        b"NULL",
        b"1E5",
        b'"q"',
        b'"d""q"',
        b"\xc3\xa9",
        b"\xff",
        b"\0",
        b'"m\nl"',
        b"x\x01",
    ]
)
LINE_ENDS = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\n\n", b"\r\r\n"])


@dataclass(frozen=True)
class Case:
    """A text without its header, and how it is read."""

    body: bytes
    width: int
    delimiter: str
    quoted: bool


@st.composite
def nearly_regular(draw: st.DrawFn) -> Case:
    """Mostly lines of the right width: what the fast path has to tell from what it must not."""
    width = draw(st.integers(1, 4))
    delimiter = draw(st.sampled_from("|,"))
    widths = st.sampled_from([width] * 6 + [max(1, width - 1), width + 1])
    rows = draw(st.lists(widths, max_size=8))
    body = b"".join(
        delimiter.encode().join(draw(FIELDS) for _ in range(fields)) + draw(LINE_ENDS)
        for fields in rows
    )
    return Case(
        body[: len(body) - draw(st.sampled_from([0, 0, 0, 1, 2, 5]))]
        + draw(st.sampled_from([b"", b"", b"a", b"\r"])),
        width,
        delimiter,
        draw(st.booleans()),
    )


CASES = nearly_regular() | st.builds(
    Case, BODIES, st.integers(1, 4), st.sampled_from("|,"), st.booleans()
)


@settings(max_examples=500, deadline=None)
@given(case=CASES, chunk_bytes=st.sampled_from([1, 3, 7, 20, 1 << 20]))
def test_reading_agrees_with_the_naive_reader(case: Case, chunk_bytes: int) -> None:
    assert read(case, chunk_bytes) == read_naively(case)


def read(case: Case, chunk_bytes: int) -> Reading:
    header = case.delimiter.join(f"column{place}" for place in range(case.width)).encode()
    content = io.BytesIO(header + b"\n" + case.body)
    delimited = DelimitedText(
        TextStream(Lookahead(content), "auto", "any.csv"),
        delimiter=case.delimiter,
        quote='"' if case.quoted else "none",
        chunk_bytes=chunk_bytes,
        longest=1 << 24,
    )
    found = Reading({}, {})
    for frame, malformed in delimited.pieces():
        for *fields, line in frame.select(*delimited.layout.columns, LINE).rows():
            assert line not in found.good
            found.good[line] = fields
        for line, reason in malformed.select("line", "reason").rows():
            assert line not in found.bad
            found.bad[line] = reason
    return found


Record = tuple[int, str, list[str | None], str | None]


def read_naively(case: Case) -> Reading:
    """One character at a time; the rules as the documentation of the package has them."""
    lines = case.body.split(b"\n")
    ended = [True] * (len(lines) - 1) + [False]
    if not lines[-1]:
        del lines[-1], ended[-1]
    records: list[Record] = []
    at = 0
    while at < len(lines):
        last, record = read_record(lines, ended, at, case)
        records.append(record)
        at = last + 1
    while records and not records[-1][1]:
        records.pop()
    return Reading(
        {line: fields for line, _, fields, reason in records if reason is None},
        {line: reason for line, _, _, reason in records if reason is not None},
    )


def read_record(lines: list[bytes], ended: list[bool], at: int, case: Case) -> tuple[int, Record]:
    """The record that begins with line ``at``, and its last line."""
    last, reason = at, None
    state, fields = split(joined(lines, ended, at, last), case)
    while state == "open" and last + 1 < len(lines):
        last += 1
        state, fields = split(joined(lines, ended, at, last), case)
    wrong = len(fields) != case.width
    still_open = state == "open"
    if state != "closed" or (last > at and wrong):
        last, reason = at, "BAD_QUOTING"
    elif wrong:
        reason = "RAGGED_ROW"
    raw = b"\n".join(lines[at : last + 1])
    if not is_utf8(raw):
        reason = "BAD_ENCODING"
    if b"\0" in raw:
        reason = "NUL_BYTE"
    if is_cut_off(lines, ended, at, last, case, still_open=still_open):
        reason = "CUT_OFF"
    return last, (at + 2, joined(lines, ended, at, last), fields, reason)


def is_cut_off(
    lines: list[bytes], ended: list[bool], at: int, last: int, case: Case, *, still_open: bool
) -> bool:
    """Whether the text ends in the middle of the record of these lines."""
    if still_open:
        return not ended[-1] or all(line in (b"", b"\r") for line in lines[at + 1 :])
    return not ended[last] and count_fields(joined(lines, ended, at, last), case) < case.width


def count_fields(text: str, case: Case) -> int:
    """Delimiters outside of pairs of quotes, and one, however badly the text is quoted."""
    count, at = 1, 0
    while at < len(text):
        if case.quoted and text[at] == '"' and '"' in text[at + 1 :]:
            at = text.index('"', at + 1)
        count += text[at] == case.delimiter
        at += 1
    return count


def joined(lines: list[bytes], ended: list[bool], first: int, last: int) -> str:
    text = b"\n".join(lines[first : last + 1]).decode(errors="replace")
    return text.removesuffix("\r") if ended[last] else text


def is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def split(text: str, case: Case) -> tuple[str, list[str | None]]:
    """The state at the end of ``text`` (closed, open, bad) and its fields."""
    if not case.quoted:
        return "closed", [field or None for field in text.split(case.delimiter)]
    fields: list[str | None] = []
    at = 0
    while True:
        state, field, at = read_field(text, at, case.delimiter)
        if state != "closed":
            return state, fields
        fields.append(field)
        if at == len(text):
            return "closed", fields
        at += 1


def read_field(text: str, at: int, delimiter: str) -> tuple[str, str | None, int]:
    """State, value and end of the field that begins at ``at``."""
    if text[at : at + 1] != '"':
        end = text.find(delimiter, at)
        end = len(text) if end < 0 else end
        return ("bad" if '"' in text[at:end] else "closed"), text[at:end] or None, end
    value = ""
    at += 1
    while at < len(text):
        if text[at : at + 2] == '""':
            value += '"'
            at += 2
        elif text[at] == '"':
            after = text[at + 1 : at + 2]
            return ("closed" if after in ("", delimiter) else "bad"), value, at + 1
        else:
            value += text[at]
            at += 1
    return "open", None, at
