"""The examples of pages for people: what they tell to type, and what they show below it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from market_spine.testing.finra_sample import write_sample

ROOT = Path(__file__).parents[1]
SPINE = str(Path(sys.executable).with_name("spine"))

Masks = Sequence[tuple[str, str]]
ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
MASKS: Masks = (
    (ID, "ID"),
    (r"\b\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\b", "TIME"),
    (r"in \d+\.\d+ s\b", "in N s"),
)
"""What differs from run to run: ids, digests, moments and durations."""
ANYTHING = "..."
"""A line that stands for any number of lines that the page leaves out."""


@dataclass(frozen=True)
class Example:
    """A command of a console block, or a python block; ``shown`` is what it prints, if it says."""

    language: str
    line: int
    text: str
    shown: tuple[str, ...]


def examples(page: Path) -> Iterator[Example]:
    """Those of a page, in order. What a python block prints stands in the text block after it."""
    blocks = list(re.finditer(r"^```(\w+)\n(.*?)^```$\n*", page.read_text(), re.M | re.S))
    for number, block in enumerate(blocks):
        line = block.string.count("\n", 0, block.start(2)) + 1
        if block[1] == "console":
            yield from _commands(block[2].splitlines(), line)
        elif block[1] == "python":
            after = blocks[number + 1] if number + 1 < len(blocks) else None
            said = after if after and after[1] == "text" and after.start() == block.end() else None
            shown = said[2].splitlines() if said else []
            yield Example("python", line, block[2], tuple(shown))


def _commands(lines: Sequence[str], first: int) -> Iterator[Example]:
    starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        rest = list(lines[start:end])
        command = rest.pop(0)[2:]
        while not _complete(command):
            command += "\n" + rest.pop(0)
        shown = "\n".join(rest).rstrip().splitlines()
        yield Example("console", first + start, command, tuple(shown))


def _complete(command: str) -> bool:
    """Whether the shell would execute it; else it goes on in the next line."""
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return False
    return True


def newcomer(place: Path) -> Path:
    """A newcomer's folder after ``make run``: the sample, and a store with all of it."""
    write_sample(place / "sample")
    done = spine(["run", "finra.otc_transparency.backfill", "-p", "files=sample"], place, {})
    assert done.returncode == 0, done.stderr
    return place


def environment(more: dict[str, str]) -> dict[str, str]:
    """This process's own, with nothing configured but what is given."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SPINE_")}
    return {**clean, **more}


def spine(words: list[str], folder: Path, more: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SPINE, *words],
        cwd=folder,
        env=environment(more),
        capture_output=True,
        text=True,
        check=False,
    )


def masked(line: str, masks: Masks = MASKS) -> str:
    for pattern, name in masks:
        line = re.sub(pattern, name, line)
    return re.sub(r"[ ─]+", " ", line).rstrip()


def pairs(
    shown: Sequence[str], printed: Sequence[str], masks: Masks = MASKS
) -> list[tuple[str, str]] | None:
    """The lines that are shown, each with the one that was printed; None when they are others."""
    if not shown:
        return None if printed else []
    if shown[0].strip() == ANYTHING:
        tails = (pairs(shown[1:], printed[start:], masks) for start in range(len(printed) + 1))
        return next((found for found in tails if found is not None), None)
    if not printed or masked(shown[0], masks) != masked(printed[0], masks):
        return None
    rest = pairs(shown[1:], printed[1:], masks)
    return None if rest is None else [(shown[0], printed[0]), *rest]
