"""What the README tells a newcomer to type works as it is written, and prints what it shows."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from market_spine.testing.finra_sample import write_sample

README = Path(__file__).parents[2] / "README.md"
SPINE = str(Path(sys.executable).with_name("spine"))
# What differs from run to run: ids, digests, moments and durations.
MASKS = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
    (r"\b\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\b", "TIME"),
    (r"in \d+\.\d+ s\b", "in N s"),
)


def examples() -> Iterator[tuple[str, list[str]]]:
    """Each command of a console block, with the lines that are shown below it."""
    for block in re.findall(r"```console\n(.*?)```", README.read_text(), re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, shown = part.partition("\n")
            if command.startswith(("spine ", "export ")):
                yield command, shown.rstrip().splitlines()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A newcomer's folder after `make run`, with the pipeline that the README shows."""
    place = tmp_path_factory.mktemp("newcomer")
    write_sample(place / "sample")
    source = re.search(r"```python\n(.*?)```", README.read_text(), re.S)
    assert source is not None, "the README shows no pipeline of one's own"
    (place / "my_pipelines.py").write_text(source[1])
    done = spine(["run", "finra.otc_transparency.backfill", "-p", "files=sample"], place, {})
    assert done.returncode == 0, done.stderr
    return place


def spine(words: list[str], folder: Path, more: dict[str, str]) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SPINE_")}
    return subprocess.run(
        [SPINE, *words],
        cwd=folder,
        env={**clean, **more},
        capture_output=True,
        text=True,
        check=False,
    )


def masked(line: str) -> str:
    for pattern, name in MASKS:
        line = re.sub(pattern, name, line)
    return re.sub(r"[ ─]+", " ", line).rstrip()


def test_the_readme_has_commands_to_try_and_shows_what_they_print() -> None:
    found = list(examples())
    assert len(found) >= 8
    assert sum(bool(shown) for _, shown in found) >= 4


def test_every_command_of_the_readme_prints_what_it_shows(folder: Path) -> None:
    settings: dict[str, str] = {}
    for command, shown in examples():
        words = shlex.split(command, comments=True)
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            settings[name] = value
            continue
        done = spine(words[1:], folder, settings)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        printed = [masked(line) for line in done.stdout.rstrip().splitlines()]
        assert printed, f"{command} printed nothing"
        if shown:
            assert printed == [masked(line) for line in shown], f"the README is wrong on: {command}"
