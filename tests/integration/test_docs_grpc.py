"""docs/grpc.md works as it is written, against servers of a newcomer's own."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from written_examples import (
    ID,
    MASKS,
    ROOT,
    SPINE,
    Example,
    environment,
    examples,
    masked,
    newcomer,
    pairs,
)

PAGE = ROOT / "docs" / "grpc.md"
GRPCURL = ROOT / "tests" / "grpcurl.py"
READY = re.compile(r"serving gRPC on \S+(:\d+)")
PORT = re.compile(r":5005\d\b")
WAIT = 60
MORE_MASKS = (
    *MASKS,
    (r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z", "TIME"),
    (r'"ipv4:127.0.0.1:\d+"', "PEER"),
    (r'"number": "\d+"', "NUMBER"),
)


class Reader:
    """Somebody who does what the page says, in one shell and one Python, from top to bottom."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = environment({"PATH": f"{_programs(folder)}:{os.environ['PATH']}"})
        self._servers: list[subprocess.Popen[str]] = []
        self._here: dict[str, str] = {}
        """What stands here for what the page has: ports of servers, and ids."""
        self.python: dict[str, Any] = {"__name__": "__page__"}
        self.wrong: list[str] = []

    def do(self, example: Example) -> None:
        """Do it, and note when it prints something else than the page shows."""
        if example.language == "python":
            printed = self._execute(self._translated(example.text), example.line)
        elif example.text.startswith("spine serve"):
            printed = self._serve(example.text)
        else:
            printed = self._type(self._translated(example.text))
        if example.shown:
            self._compare(example, printed)

    def close(self) -> None:
        for server in self._servers:
            server.terminate()
        for server in self._servers:
            assert server.wait(WAIT) == 0
            assert server.stdout is not None
            server.stdout.close()

    def _compare(self, example: Example, printed: list[str]) -> None:
        shown = [self._translated(line) for line in example.shown]
        found = pairs(shown, printed, MORE_MASKS)
        if found is None:
            told = "\n".join(masked(line, MORE_MASKS) for line in printed)
            self.wrong.append(f"line {example.line}: {example.text}\nprints:\n{told}")
        for there, here in found or ():
            self._here.update(zip(re.findall(ID, there), re.findall(ID, here), strict=True))

    def _translated(self, text: str) -> str:
        for there, here in self._here.items():
            text = text.replace(there, here)
        return text

    def _type(self, command: str) -> list[str]:
        if command.startswith("export "):
            name, _, value = shlex.split(command)[1].partition("=")
            self._environment[name] = value
            return []
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout.rstrip().splitlines()

    def _serve(self, command: str) -> list[str]:
        """A server that stays, on a free port."""
        words = shlex.split(command)
        if "--listen" not in words:
            words += ["--listen", "127.0.0.1:50051"]
        [asked] = PORT.findall(command) or [":50051"]
        server = subprocess.Popen(
            [SPINE, *(PORT.sub(":0", word) for word in words[1:])],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._servers.append(server)
        assert server.stdout is not None
        told = server.stdout.readline().rstrip()
        ready = READY.fullmatch(told)
        assert ready is not None, f"{command} says {told!r}"
        self._here[asked] = ready[1]
        return [told]

    def _execute(self, code: str, line: int) -> list[str]:
        # Blank lines before it, so that a traceback names the line of the page.
        compiled = compile("\n" * (line - 1) + code, str(PAGE), "exec")
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compiled, self.python)
        return said.getvalue().splitlines()


def _programs(folder: Path) -> Path:
    """A folder with the programs that the page calls: spine, and what does for grpcurl."""
    programs = folder / "programs"
    programs.mkdir()
    for name, does in (("spine", [SPINE]), ("grpcurl", [sys.executable, str(GRPCURL)])):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {shlex.join(does)} "$@"\n')
        program.chmod(0o755)
    return programs


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Who has done all that the page says."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes a certificate, is not installed")
    folder = newcomer(tmp_path_factory.mktemp("newcomer"))
    reading = Reader(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # where the page's Python runs as well
        try:
            for example in examples(PAGE):
                reading.do(example)
            yield reading
        finally:
            reading.close()


def test_the_page_has_examples_and_shows_what_they_print() -> None:
    found = list(examples(PAGE))
    for language, least in (("console", 9), ("python", 8)):
        own = [example for example in found if example.language == language]
        assert len(own) >= least
        assert sum(bool(example.shown) for example in own) >= least - 3


def test_every_example_of_the_page_prints_what_it_shows(reader: Reader) -> None:
    assert not reader.wrong, "\n\n".join(reader.wrong)


class Breaking:
    """The stub of the page, but each stream that it opens breaks after two messages."""

    def __init__(self, runs: Any) -> None:
        self._runs = runs
        self.opened = 0

    def WatchRun(self, request: Any) -> Iterator[Any]:  # noqa: N802  # named by the protocol
        self.opened += 1
        for number, news in enumerate(self._runs.WatchRun(request, timeout=WAIT)):
            if number == 2:
                raise Broken
            yield news


class Broken(grpc.RpcError):
    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE


def test_the_page_follows_a_run_over_streams_that_break(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow, runs, run = (reader.python[name] for name in ("follow", "runs", "run"))
    whole = list(follow(run.name))
    breaking = Breaking(runs)
    monkeypatch.setitem(reader.python, "runs", breaking)
    monkeypatch.setattr(reader.python["time"], "sleep", lambda _: None)

    pieces = list(follow(run.name))

    assert breaking.opened > 1
    assert [news.event for news in pieces if news.HasField("event")] == [
        news.event for news in whole if news.HasField("event")
    ]
    assert pieces[-1] == whole[-1]
