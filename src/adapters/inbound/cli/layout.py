"""How rows are laid out in the width there is: as a table, else as records.

What a person copies (ids, names, codes, dates, numbers) is never broken; prose is folded between
words. Where that is not enough, columns that were declared dispensable give way, in their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from rich.cells import cell_len, chop_cells

_GAP = "   "
_ROOMY, _TIGHT = 24, 16  # characters to which prose may be narrowed, by choice and in need
_LEAST = 2  # the width of the widest character
_INDENT = "  "


@dataclass(frozen=True, slots=True)
class Shorten:
    """Show only the last ``keep`` characters of a column's cells, and say ``note`` below."""

    column: str
    keep: int
    note: str


Narrowing = Sequence[str | Shorten]
"""What to do, in this order, while a table is too wide: leave out a column, or shorten it."""


@dataclass(frozen=True, slots=True)
class Column:
    """Header and cells. Cells of a column that ``folds`` may take several lines, those of one that
    is ``cut`` lose their end."""

    name: str
    cells: Sequence[str]
    right: bool = False
    folds: bool = False
    cut: bool = False
    natural: int = field(init=False)

    def __post_init__(self) -> None:
        widest = max(map(cell_len, self.cells), default=0)
        object.__setattr__(self, "natural", max(cell_len(self.name), widest))

    @property
    def flexible(self) -> bool:
        return self.folds or self.cut

    def least(self, prose: int) -> int:
        """The width below which the column cannot be read."""
        if not self.flexible:
            return self.natural
        least = max(cell_len(self.name), min(self.natural, prose))
        if self.cut:
            return least
        return max(least, *(cell_len(word) for text in self.cells for word in text.split(" ")), 0)


@dataclass(frozen=True, slots=True)
class Signs:
    """The characters to draw with."""

    rule: str = "─"
    more: str = "…"


ASCII = Signs("-", "...")


@dataclass(frozen=True, slots=True)
class Layout:
    """Lines to print: a header (which may be empty), the body, and notes on what was shortened."""

    head: Sequence[str]
    body: Sequence[str]
    notes: Sequence[str] = ()


def lay_out(
    columns: Sequence[Column], width: int | None, narrowing: Narrowing, signs: Signs
) -> Layout:
    """The rows as a table if one fits into ``width`` (None: whatever it takes), else as records."""
    for prose in (_ROOMY, _TIGHT):
        kept, notes = list(columns), list[str]()
        for step in (None, *narrowing):
            if isinstance(step, str):
                kept = [column for column in kept if column.name != step]
            elif step is not None and any(column.name == step.column for column in kept):
                kept = [_shortened(column, step) for column in kept]
                notes.append(step.note)
            widths = _widths(kept, width, prose)
            if widths is not None:
                return Layout(*_table(kept, widths, signs), notes)
    assert width is not None  # noqa: S101  # without a limit the first table fits
    return Layout((), list(_records(columns, width)))


def fold(text: str, width: int) -> list[str]:
    """``text`` on lines of at most ``width``, broken between words where that is possible."""
    lines: list[str] = []
    line: str | None = None
    for word in text.split(" "):
        longer = word if line is None else f"{line} {word}"
        if cell_len(longer) <= width:
            line = longer
            continue
        if line is not None:
            lines.append(line.rstrip())
        *full, line = chop_cells(word, width) or [""]
        lines.extend(full)
    return [*lines, line or ""]


def hanging(label: str, text: str, width: int | None) -> list[str]:
    """``text`` after ``label``, what is folded indented as far as its beginning."""
    if width is None:
        return [label + text]
    left = max(width - cell_len(label), _LEAST)
    indent = " " * cell_len(label)
    return [(indent if number else label) + line for number, line in enumerate(fold(text, left))]


def _shortened(column: Column, step: Shorten) -> Column:
    if column.name != step.column:
        return column
    return replace(column, cells=[text[-step.keep :] for text in column.cells])


def _widths(columns: Sequence[Column], width: int | None, prose: int) -> list[int] | None:
    """The width of each column, or None when they do not fit."""
    widths = [column.natural for column in columns]
    if width is None:
        return widths
    room = width - len(_GAP) * (len(columns) - 1)
    least = [column.least(prose) for column in columns]
    if sum(least) > room:
        return None
    # The widest gives first, so that as little as possible is folded.
    level = max((w for w, c in zip(widths, columns, strict=True) if c.flexible), default=0)
    while sum(widths) > room:
        level -= 1
        for index, column in enumerate(columns):
            if column.flexible and sum(widths) > room:
                widths[index] = max(least[index], min(widths[index], level))
    return widths


def _table(
    columns: Sequence[Column], widths: Sequence[int], signs: Signs
) -> tuple[list[str], list[str]]:
    def line(cells: Sequence[str]) -> str:
        padded = (
            _padded(text, wide, column.right)
            for text, wide, column in zip(cells, widths, columns, strict=True)
        )
        return _GAP.join(padded).rstrip()

    rule = signs.rule * (sum(widths) + len(_GAP) * (len(columns) - 1))
    body: list[str] = []
    for row in zip(*(column.cells for column in columns), strict=True):
        folded = [
            _fitted(text, wide, column, signs)
            for text, wide, column in zip(row, widths, columns, strict=True)
        ]
        for number in range(max(map(len, folded))):
            body.append(line([part[number] if number < len(part) else "" for part in folded]))
    return [line([column.name for column in columns]), rule], body


def _fitted(text: str, width: int, column: Column, signs: Signs) -> list[str]:
    if cell_len(text) <= width:
        return [text]
    if column.cut:
        room = max(width - len(signs.more), 0)
        return [(chop_cells(text, room) or [""])[0].rstrip() + signs.more]
    return fold(text, width)


def _padded(text: str, width: int, right: bool) -> str:
    blanks = " " * (width - cell_len(text))
    return blanks + text if right else text + blanks


def _records(columns: Sequence[Column], width: int) -> Iterator[str]:
    label = max(cell_len(column.name) for column in columns)
    for number, row in enumerate(zip(*(c.cells for c in columns), strict=True), 1):
        yield f"row {number}"
        for column, text in zip(columns, row, strict=True):
            yield from hanging(f"{_INDENT}{_padded(column.name, label, False)}  ", text, width)
