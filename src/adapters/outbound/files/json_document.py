"""One JSON document: an array of objects, read element by element, or a single object."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from ....domain.errors import ValidationError
from .encoding import UNDECODABLE, TextStream
from .failures import undecodable_hint
from .json_rows import DECODER, DuplicateKeyError, json_columns
from .records import Piece

_ROWS = 20_000
_UNFINISHED = len("e+")
_SPACE = re.compile(r"[ \t\n\r]*")


def json_document(
    text: TextStream, *, expected: Sequence[str] | None, chunk_bytes: int, longest: int
) -> Iterator[Piece]:
    """The records with LINE counting the elements from 1.

    Raises a ValidationError that names the place where the document is not JSON or breaks off:
    there is no telling where the next element would begin.
    """
    rows = json_columns(expected)
    buffer = _Buffer(text, chunk_bytes, longest)
    for line, (value, raw) in enumerate(_elements(buffer), 1):
        rows.add(line, value, raw)
        if len(rows) >= _ROWS:
            yield rows.take()
    if len(rows):
        yield rows.take()


def _elements(buffer: _Buffer) -> Iterator[tuple[Any, str]]:
    if buffer.next() != "[":
        yield buffer.value()
    else:
        buffer.skip()
        if buffer.next() == "]":
            buffer.skip()
        else:
            yield buffer.value()
            while (mark := buffer.next()) == ",":
                buffer.skip()
                yield buffer.value()
            if mark != "]":
                raise buffer.wrong("expected ',' or ']' after an element of the array")
            buffer.skip()
    if buffer.next():
        raise buffer.wrong("expected nothing more after the end of the document")


class _Buffer:
    """The part of the text that is being looked at, grown as needed and no further."""

    def __init__(self, text: TextStream, chunk_bytes: int, longest: int) -> None:
        self._text = text
        self._size = chunk_bytes
        self._longest = longest
        self._tail = b""
        self._buffer = ""
        self._at = 0
        self._dropped = 0
        self._ended = False

    def next(self) -> str:
        """The next character that is not white space; "" at the end."""
        while True:
            found = _SPACE.match(self._buffer, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._buffer) or not self._more():
                return self._buffer[self._at : self._at + 1]

    def skip(self) -> None:
        self._at += 1

    def value(self) -> tuple[Any, str]:
        """The next element and its text."""
        self.next()
        while True:
            try:
                value, end = DECODER.raw_decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                if self._more():
                    continue
                raise self.wrong(error.msg, error.pos) from error
            except DuplicateKeyError as error:
                raise self.wrong(str(error)) from error
            except RecursionError as error:
                raise self.wrong("it is nested too deeply") from error
            # A number may go on in what has not been read yet (after "1.5e+", as well): an
            # object cannot.
            if (
                not isinstance(value, dict)
                and len(self._buffer) - end <= _UNFINISHED
                and self._more()
            ):
                continue
            raw = self._buffer[self._at : end]
            self._at = end
            return value, raw

    def wrong(self, what: str, place: int | None = None) -> ValidationError:
        place = self._at if place is None else place
        cut_off = self._ended and place >= len(self._buffer.rstrip())
        return ValidationError(
            f"{self._text.name} is not a JSON document: {what}, at character "
            f"{self._dropped + place + 1:,}" + (", where it ends" if cut_off else ""),
            hint="fetch it again if it breaks off; format=jsonl reads one object a line",
            metadata={"file": self._text.name, "position": self._dropped + place},
        )

    def _more(self) -> bool:
        """Read on; False at the end. What has been passed is dropped."""
        if self._ended:
            return False
        if len(self._buffer) - self._at > self._longest:
            raise self.wrong(f"an element goes on for more than {self._longest:,} characters")
        # Doubling keeps the repeated attempts at one long element linear in its length.
        wanted = max(self._size, len(self._buffer) - self._at)
        block = self._text.read(wanted)
        self._ended = not block
        block = self._tail + block
        cut = len(block) if self._ended else _whole_characters(block)
        self._tail = block[cut:]
        more = self._text.decode(block[:cut])
        if UNDECODABLE in more:
            place = self._dropped + len(self._buffer) + more.index(UNDECODABLE)
            raise ValidationError(
                f"{self._text.name} cannot be decoded at character {place + 1:,}",
                hint=undecodable_hint(self._text.encoding),
                metadata={"file": self._text.name, "position": place},
            )
        self._dropped += self._at
        self._buffer = self._buffer[self._at :] + more
        self._at = 0
        return True


def _whole_characters(block: bytes) -> int:
    """Where the last character of UTF-8 that may be incomplete begins."""
    for back in range(1, min(4, len(block)) + 1):
        byte = block[-back]
        if byte >= 0xC0:  # noqa: PLR2004  # the first byte of a longer character
            return len(block) - back
        if byte < 0x80:  # noqa: PLR2004  # ASCII
            break
    return len(block)
