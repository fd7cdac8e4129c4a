"""The ``spine`` command against a server: the process that serves, and commands that ask it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cli_spine import SPINE, Said, clean_environment
from typer.testing import CliRunner

from market_spine.adapters.inbound.cli.app import build
from market_spine.adapters.inbound.cli.services import CliServices
from market_spine.bootstrap.main import application, server_health
from market_spine.bootstrap.remote import RemoteApplication
from market_spine.ports.progress import Progress

WAIT = 60.0


@contextmanager
def serving(folder: Path, *words: str, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """``spine serve`` in a folder, as a process; the address at which it answers."""
    log = folder / "serve.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [SPINE, "serve", "--listen", "127.0.0.1:0", "--workers", "0", *words],
            cwd=folder,
            env={**clean_environment(), "PYTHONPATH": str(folder), **(env or {})},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    with process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline().strip()
            assert said.startswith("serving gRPC on "), (said, log.read_text())
            yield said.removeprefix("serving gRPC on ")
            process.terminate()
            assert process.wait(WAIT) == 0, log.read_text()
        finally:
            process.kill()


class RemoteSpine:
    """Runs commands in this process against the server at ``address``."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._built: list[RemoteApplication] = []
        self._app = build(self._application, server_health)

    def __call__(self, *words: str | Path, code: int | None = 0) -> Said:
        """``spine --server ADDRESS WORDS``, as :class:`cli_spine.Spine` does it."""
        given = ["--server", self.address, *map(str, words)]
        found = CliRunner().invoke(self._app, given)
        while self._built:
            self._built.pop().close()
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        said = Said(found.exit_code, found.stdout, found.stderr)
        assert code is None or said.code == code, said
        return said

    def _application(self, progress: Progress, server: str | None = None) -> CliServices:
        made = application(progress, server)
        assert isinstance(made, RemoteApplication), "a server is meant"
        self._built.append(made)
        return made
