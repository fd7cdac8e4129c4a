"""What took how long, as bars on one scale of time: pure text, as wide as there is room."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rich.cells import cell_len, chop_cells

from .layout import ASCII, Signs
from .times import spoken

PIPED = 80  # columns where no terminal says how many there are
_GAP = "  "
_INDENT = "  "
_WIDEST_BAR, _BAR, _LEAST_BAR = 60, 16, 8
_LEAST_LABEL = 16
_NEXT_TO_NOTHING = timedelta(milliseconds=1)
_DISPENSABLE = ("tries", "run", "seconds")
_RIGHT = ("seconds", "tries")


@dataclass(frozen=True, slots=True)
class Bar:
    """One line: a run, or several of them together.

    It waited from ``created`` on, and ran from ``started`` to ``finished``, None for what is not
    there yet. A ``remark`` stands in the place of the bar.
    """

    label: str
    state: str
    run: str = ""
    depth: int = 0
    created: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    tries: int = 0
    remark: str | None = None


@dataclass(frozen=True, slots=True)
class Strokes:
    """What to draw with: running, waiting, and all the rest."""

    runs: str = "█"
    waits: str = "░"
    signs: Signs = field(default_factory=Signs)

    @property
    def all(self) -> str:
        """All characters that are used."""
        return self.runs + self.waits + self.signs.rule + self.signs.more


PLAIN = Strokes("#", ".", ASCII)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Which time a bar of so many characters shows."""

    first: datetime
    span: timedelta

    def place(self, at: datetime, width: int) -> int:
        """The character that shows a time, from 0 to ``width``."""
        return min(max(int((at - self.first) / self.span * width + 1e-9), 0), width)


def chart(bars: Sequence[Bar], now: datetime, width: int | None, strokes: Strokes) -> list[str]:
    """A header, a rule and a line for each bar; none is wider than ``width``.

    Without a width they take 80 columns where the labels let them: nothing is cut.
    """
    scale = _scale(bars, now)
    columns = _columns(bars, now)
    while True:
        rest = sum(max(map(cell_len, cells)) + len(_GAP) for cells in columns.values())
        natural = max(cell_len(_label(bar)) for bar in bars)
        room = (PIPED if width is None else width) - rest - len(_GAP)
        label = natural if width is None else min(natural, room - _BAR)
        wanted = next((name for name in _DISPENSABLE if name in columns), None)
        if label >= min(natural, _LEAST_LABEL) or wanted is None:
            break
        del columns[wanted]
    label = max(label, cell_len("step"))
    bar = min(max(room - label, _LEAST_BAR), _WIDEST_BAR)
    labels = ["step", *(_cut(_label(bar), label, strokes.signs.more) for bar in bars)]
    table = {"step": labels, **columns}
    drawn = [_axis(scale, bar), *(_drawn(item, scale, now, bar, strokes) for item in bars)]
    lines = [_line(table, number, drawn[number]) for number in range(len(drawn))]
    lines.insert(1, strokes.signs.rule * max(map(cell_len, lines)))
    return lines if width is None else [(chop_cells(line, width) or [""])[0] for line in lines]


def _columns(bars: Sequence[Bar], now: datetime) -> dict[str, list[str]]:
    """The cells between label and bar, each column with its header."""
    columns = {
        "run": [bar.run for bar in bars],
        "state": [bar.state for bar in bars],
        "seconds": [_seconds(bar, now) for bar in bars],
        "tries": [str(bar.tries) if bar.tries else "" for bar in bars],
    }
    if all(bar.tries <= 1 for bar in bars):
        del columns["tries"]
    return {name: [name, *cells] for name, cells in columns.items()}


def _scale(bars: Sequence[Bar], now: datetime) -> _Scale:
    """From the first thing that happened to the last; long waiting before it is cut short."""
    starts = [bar.started for bar in bars if bar.started and bar.remark is None]
    waits = [bar.created for bar in bars if bar.created and bar.remark is None]
    ends = [
        bar.finished or now for bar in bars if (bar.started or bar.created) and bar.remark is None
    ]
    last = max(ends, default=now)
    first = min([*waits, *starts], default=last)
    if starts:
        begun = min(starts)
        # Hours in the queue would leave no room for the minutes of work.
        first = max(first, begun - max(last - begun, timedelta(seconds=1)))
    return _Scale(first, max(last - first, _NEXT_TO_NOTHING))


def _drawn(bar: Bar, scale: _Scale, now: datetime, width: int, strokes: Strokes) -> str:
    if bar.remark is not None:
        return _ended(bar.remark, width, strokes.signs.more)
    if bar.created is None and bar.started is None:
        return ""
    waited = scale.place(bar.created or bar.started or now, width)
    waits_to = bar.started or bar.finished or now
    begun = min(scale.place(waits_to, width), width - (bar.started is not None))
    ended = begun
    if bar.started is not None:
        ended = max(scale.place(bar.finished or now, width), begun + 1)
    waited = min(waited, begun)
    return " " * waited + strokes.waits * (begun - waited) + strokes.runs * (ended - begun)


def _axis(scale: _Scale, width: int) -> str:
    left, right = "0 s", spoken(scale.span.total_seconds())
    if len(left) + len(right) + len(_GAP) > width:
        return right.rjust(width)
    return left + right.rjust(width - len(left))


def _line(table: dict[str, list[str]], number: int, bar: str) -> str:
    cells = []
    for name, column in table.items():
        blanks = " " * (max(map(cell_len, column)) - cell_len(column[number]))
        text = column[number]
        cells.append(blanks + text if name in _RIGHT else text + blanks)
    return _GAP.join([*cells, bar]).rstrip()


def _label(bar: Bar) -> str:
    return _INDENT * bar.depth + bar.label


def _seconds(bar: Bar, now: datetime) -> str:
    if bar.started is None:
        return ""
    return f"{max((bar.finished or now) - bar.started, timedelta()).total_seconds():,.2f}"


def _cut(text: str, width: int, more: str) -> str:
    """``text``, with its middle left out where it is too long: names differ at their ends."""
    if cell_len(text) <= width:
        return text
    room = width - cell_len(more)
    if room < len(_GAP):
        return (chop_cells(text, width) or [""])[0]
    tail = _first(reversed(text), room // 2)[::-1]
    return _first(text, room - cell_len(tail)) + more + tail


def _ended(text: str, width: int, more: str) -> str:
    """``text``, without its end where it is too long."""
    if cell_len(text) <= width:
        return text
    return _first(text, width - cell_len(more)).rstrip() + more


def _first(letters: Iterable[str], width: int) -> str:
    """As many of the letters as fit."""
    taken = ""
    for letter in letters:
        if cell_len(taken + letter) > width:
            break
        taken += letter
    return taken
