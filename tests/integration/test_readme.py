"""What the README tells a newcomer to type works as it is written."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from market_spine.testing.finra_sample import write_sample

README = Path(__file__).parents[2] / "README.md"
TEXT = README.read_text()
COMMANDS = [
    line.removeprefix("$ ")
    for block in re.findall(r"```console\n(.*?)```", TEXT, re.S)
    for line in block.splitlines()
    if line.startswith(("$ spine ", "$ export "))
]
SPINE = str(Path(sys.executable).with_name("spine"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("newcomer")
    write_sample(place / "sample")
    source = re.search(r"```python\n(.*?)```", TEXT, re.S)
    assert source is not None, "the README shows no pipeline of one's own"
    (place / "my_pipelines.py").write_text(source[1])
    return place


def test_the_readme_has_commands_to_try() -> None:
    assert len(COMMANDS) >= 8


def test_every_command_of_the_readme_succeeds(folder: Path) -> None:
    environment = {name: v for name, v in os.environ.items() if not name.startswith("SPINE_")}
    for command in COMMANDS:
        words = shlex.split(command)
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            environment[name] = value
            continue
        done = subprocess.run(
            [SPINE, *words[1:]],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert done.stdout.strip(), f"{command} printed nothing"
