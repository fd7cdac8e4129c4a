"""What the README tells a newcomer to type works as it is written, and prints what it shows."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from written_examples import ROOT, Example, examples, masked, newcomer, pairs, spine

README = ROOT / "README.md"


def commands() -> list[Example]:
    """What a newcomer types after `make run`, with what is shown below it."""
    return [
        example
        for example in examples(README)
        if example.language == "console" and example.text.startswith(("spine ", "export "))
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A newcomer's folder after `make run`, with the pipeline that the README shows."""
    place = newcomer(tmp_path_factory.mktemp("newcomer"))
    sources = [example.text for example in examples(README) if example.language == "python"]
    assert sources, "the README shows no pipeline of one's own"
    (place / "my_pipelines.py").write_text(sources[0])
    return place


def test_the_readme_has_commands_to_try_and_shows_what_they_print() -> None:
    found = commands()
    assert len(found) >= 8
    assert sum(bool(example.shown) for example in found) >= 4


def test_every_command_of_the_readme_prints_what_it_shows(folder: Path) -> None:
    settings: dict[str, str] = {}
    for example in commands():
        words = shlex.split(example.text, comments=True)
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            settings[name] = value
            continue
        done = spine(words[1:], folder, settings)
        assert done.returncode == 0, f"{example.text}\n{done.stdout}\n{done.stderr}"
        printed = done.stdout.rstrip().splitlines()
        assert printed, f"{example.text} printed nothing"
        if example.shown and pairs(example.shown, printed) is None:
            shown = [masked(line) for line in example.shown]
            assert [masked(line) for line in printed] == shown, (
                f"README.md, line {example.line}, is wrong on: {example.text}"
            )
