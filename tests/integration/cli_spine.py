"""The ``spine`` command under test: in this process where that is enough, else as users run it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from market_spine.adapters.inbound.cli.app import build
from market_spine.bootstrap.application import Application, build_application
from market_spine.bootstrap.main import server_health
from market_spine.domain.errors import ConfigurationError
from market_spine.ports.progress import Progress

SPINE = Path(sys.executable).with_name("spine")
DOMAIN = "finra.otc_transparency"
HEADER = (
    "tierDescription|issueSymbolIdentifier|issueName|marketParticipantName|MPID|"
    "totalWeeklyShareQuantity|totalWeeklyTradeCount|lastUpdateDate\n"
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a command left: exit code and both streams."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


class Spine:
    """Runs commands in this process; stores are closed behind them."""

    def __init__(self) -> None:
        self._built: list[Application] = []
        self._app = build(self._application, server_health)

    def __call__(self, *words: str | Path, code: int | None = 0) -> Said:
        """``spine WORDS``; the exit code has to be ``code``, unless that is None."""
        found = CliRunner().invoke(self._app, [str(word) for word in words])
        for application in self._built:
            with suppress(ConfigurationError):  # there may be no store for these settings
                application.container.admin().close()
        self._built.clear()
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        said = Said(found.exit_code, found.stdout, found.stderr)
        assert code is None or said.code == code, said
        return said

    def run(self, name: str, *words: str | Path, code: int = 0, **parameters: Any) -> Said:
        """``spine run`` of a pipeline of the domain, with --json."""
        given = [word for item in parameters.items() for word in ("-p", "=".join(map(str, item)))]
        return self("run", f"{DOMAIN}.{name}", *given, *words, "--json", code=code)

    def _application(self, progress: Progress, server: str | None = None) -> Application:
        assert server is None, "a store of our own is meant"
        made = build_application(progress)
        assert isinstance(made, Application)
        self._built.append(made)
        return made


def process(
    *words: str | Path, folder: Path, env: Mapping[str, str] | None = None, code: int | None = 0
) -> Said:
    """``spine WORDS`` as a process in ``folder``, with no SPINE_* setting but those in ``env``."""
    done = subprocess.run(
        [SPINE, *map(str, words)],
        cwd=folder,
        env={**clean_environment(), **(env or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = Said(done.returncode, done.stdout, done.stderr)
    assert code is None or said.code == code, said
    return said


def weekly_file(folder: Path, name: str, *lines: str) -> Path:
    """A weekly file of these lines."""
    path = folder / name
    path.write_text(HEADER + "\n".join(lines) + "\n")
    return path


def terminal(
    *words: str | Path, folder: Path, columns: int, env: Mapping[str, str] | None = None
) -> Said:
    """``spine WORDS`` on a terminal that is so many columns wide; both streams are ``out``."""
    own, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with subprocess.Popen(
        [SPINE, *map(str, words)],
        cwd=folder,
        env={**clean_environment(), "TERM": "xterm", **(env or {})},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as running:
        os.close(theirs)
        shown = b"".join(_until_closed(own))
    os.close(own)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode()).replace("\r\n", "\n")
    return Said(running.returncode, text, "")


def clean_environment() -> dict[str, str]:
    """The environment without settings of ours and without a width of the terminal."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SPINE_") and name != "COLUMNS"
    }


def _until_closed(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            read = os.read(descriptor, 65536)
        except OSError:  # how Linux tells that the terminal's other side is closed
            return
        if not read:
            return
        yield read
