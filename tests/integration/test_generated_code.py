"""The code made from the protos is made anew by every build, and what is installed is current."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROTOS = ROOT / "proto" / "market_spine" / "v1"


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.is_file() and "_pb2" in path.name
    }


def run_setup(*arguments: str, root: Path = ROOT) -> None:
    done = subprocess.run(
        [sys.executable, "setup.py", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the protos say now."""
    folder = tmp_path_factory.mktemp("made")
    run_setup("generate", str(folder))
    return contents(folder / "v1")


def test_every_proto_becomes_messages_types_and_stubs(made: dict[str, bytes]) -> None:
    names = [path.stem for path in PROTOS.glob("*.proto")]

    assert names
    assert set(made) == {
        f"{name}{ending}" for name in names for ending in ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py")
    }


def test_the_installed_code_is_what_the_protos_say(made: dict[str, bytes]) -> None:
    installed = contents(ROOT / "src" / "v1")

    assert installed.keys() == made.keys()
    stale = [name for name, content in made.items() if installed[name] != content]
    assert not stale, "run: python setup.py generate"


def test_a_build_makes_the_code_and_ships_it(made: dict[str, bytes], tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for folder in ("src", "proto"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / file, tree)
    shutil.rmtree(tree / "src" / "v1")

    run_setup("build_py", "--build-lib", str(tmp_path / "built"), root=tree)

    built = tmp_path / "built" / "market_spine"
    assert contents(built / "v1") == made
    assert (built / "v1" / "__init__.py").exists()
    assert (built / "py.typed").exists()
    assert not list(built.rglob("*.proto"))
