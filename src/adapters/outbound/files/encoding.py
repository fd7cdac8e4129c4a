"""Text in any encoding as UTF-8, with what cannot be decoded marked instead of guessed.

A NUL cannot stand in an accepted record, so it serves as the mark: inside this package text has
one NUL before every sequence that could not be decoded, and two before every NUL it came with.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable

from ....domain.errors import ValidationError
from .reading import CHUNK_BYTES, Lookahead, Readable

UNDECODABLE = "\0"
NUL = "\0\0"

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LONGEST_BOM = 4
_SENTINEL = "\udcff"
_NOT_OF_FILES = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape"})
_UTF8 = frozenset({"utf-8", "utf-8-sig"})

Decode = Callable[[bytes], str]


class TextStream(Lookahead):
    """UTF-8 bytes of a text in any encoding, without its byte order mark.

    ``encoding`` is what was found or given, ``decode`` turns these bytes into marked text.
    """

    def __init__(self, stream: Lookahead, wanted: str, name: str) -> None:
        head = stream.peek(_LONGEST_BOM)
        self.encoding = _detect(head) if wanted == "auto" else python_codec(wanted)
        plain = self.encoding in _UTF8
        if plain:
            if head.startswith(codecs.BOM_UTF8):
                stream.read(len(codecs.BOM_UTF8))
            self.encoding = "utf-8"
        super().__init__(stream if plain else _Transcoded(stream, self.encoding, name))
        self.decode: Decode = _decode_utf8 if plain else _decode_transcoded
        self.name = name


def python_codec(name: str) -> str:
    """The canonical name of a text encoding; raises a ValidationError for any other name."""
    try:
        found = codecs.lookup(name).name
        "".encode(name)
    except (LookupError, ValueError, TypeError, UnicodeError):
        found = ""
    if not found or found in _NOT_OF_FILES:
        raise ValidationError(
            f"there is no text encoding named {name!r}",
            hint="e.g. utf-8, utf-16-le, cp1252 (Windows), latin-1",
        )
    return found


def _detect(head: bytes) -> str:
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return encoding
    return "utf-8"


def _escapes(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101  # decoding raises no other kind
    bad = error.object[error.start : error.end]
    return "".join(f"\\x{byte:02x}" for byte in bad), error.end


def _mark_undecodable(error: UnicodeError) -> tuple[str, int]:
    escaped, end = _escapes(error)
    return UNDECODABLE + escaped, end


def _put_sentinel(error: UnicodeError) -> tuple[str, int]:
    escaped, end = _escapes(error)
    return _SENTINEL + escaped, end


def _mark_sentinel(error: UnicodeError) -> tuple[str, int]:
    return UNDECODABLE, error.end if isinstance(error, UnicodeDecodeError) else 0


def _encode_sentinel(error: UnicodeError) -> tuple[bytes, int]:
    assert isinstance(error, UnicodeEncodeError)  # noqa: S101  # encoding raises no other kind
    lone = error.object[error.start : error.end]
    text = "".join("" if char == _SENTINEL else f"\\u{ord(char):04x}" for char in lone)
    return b"\xff" + text.encode(), error.end


codecs.register_error("market_spine.mark", _mark_undecodable)
codecs.register_error("market_spine.sentinel", _put_sentinel)
codecs.register_error("market_spine.marked", _mark_sentinel)
codecs.register_error("market_spine.encode", _encode_sentinel)


def _decode_utf8(data: bytes) -> str:
    return _double_nul(data).decode("utf-8", "market_spine.mark")


def _decode_transcoded(data: bytes) -> str:
    return _double_nul(data).decode("utf-8", "market_spine.marked")


def _double_nul(data: bytes) -> bytes:
    return data.replace(b"\0", b"\0\0\\x00") if b"\0" in data else data


class _Transcoded:
    """UTF-8 of another encoding; what does not decode becomes the invalid byte FF and escapes."""

    def __init__(self, stream: Readable, encoding: str, name: str) -> None:
        self._stream = stream
        self._name = name
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)("market_spine.sentinel")
        self._ready = b""
        self._first = True
        self._ended = False

    def read(self, size: int, /) -> bytes:
        while not self._ready and not self._ended:
            block = self._stream.read(min(size, CHUNK_BYTES))
            self._ended = not block
            text = self._decode(block)
            if self._first and text:
                text, self._first = text.removeprefix("\ufeff"), False
            self._ready = text.encode("utf-8", "market_spine.encode")
        taken, self._ready = self._ready[:size], self._ready[size:]
        return taken

    def _decode(self, block: bytes) -> str:
        try:
            return self._decoder.decode(block, final=self._ended)
        except UnicodeError as error:
            # Some codecs refuse a whole text, such as UTF-16 without its byte order mark.
            raise ValidationError(
                f"{self._name} cannot be read as {self._encoding}: {error}",
                hint="give another encoding; UTF-16 without a mark is utf-16-le or utf-16-be",
                cause=error,
            ) from error
