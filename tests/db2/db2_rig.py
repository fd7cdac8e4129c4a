"""A server for the Db2 tests: the emulation that a rig builds, or the real one of a URL.

The rig is a folder with ``build.sh`` and ``server.sh``: Apache Derby, patched so that IBM's real
driver takes it for Db2. It is no Db2.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import psutil

RIG_VARIABLE = "SPINE_DB2_RIG"
URL_VARIABLE = "SPINE_TEST_DB2_URL"
_REPOSITORY = Path(__file__).resolve().parents[2]


class RigMissingError(Exception):
    """Why there is no server to test with."""


def rig_folder() -> Path:
    return Path(os.environ.get(RIG_VARIABLE) or _REPOSITORY.parent / "shared" / "db2rig")


def require_driver() -> None:
    """Raise a RigMissingError where IBM's driver is not installed. It is not loaded here."""
    for module in ("ibm_db", "ibm_db_sa"):
        if find_spec(module) is None:
            raise RigMissingError(f"the driver {module} is not installed")


def built_rig() -> Path:
    """The folder of the built rig, which is kept for the next time.

    Raises a RigMissingError where something that it needs is absent, or the build fails.
    """
    scripts = rig_folder()
    if not (scripts / "build.sh").is_file():
        raise RigMissingError(f"there is no rig in {scripts} ({RIG_VARIABLE} may name another)")
    for program in ("java", "javac"):
        if shutil.which(program) is None:
            raise RigMissingError(f"{program} is not installed")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "market-spine"
    built = cache / "db2rig"
    if not (built / "classes").is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        # Made aside and moved, so that nobody ever finds half of it.
        aside = Path(tempfile.mkdtemp(prefix="db2rig-", dir=cache)) / "rig"
        done = _run(scripts / "build.sh", aside)
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise RigMissingError(f"its server could not be built: {' '.join(last)}")
        with suppress(OSError):
            aside.rename(built)
        shutil.rmtree(aside.parent, ignore_errors=True)
    return built


class Rig:
    """One server with files of its own, which a test may kill and start again."""

    def __init__(self, built: Path, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for part in ("classes", "deb"):
            (folder / part).symlink_to(built / part)
        self._folder = folder
        self._port = _free_port()

    @property
    def url(self) -> str:
        return f"db2+ibm_db://db2inst1:secret@127.0.0.1:{self._port}/TESTDB?Authentication=SERVER"

    @contextmanager
    def behind_front(self) -> Iterator[str]:
        """The URL of a front that makes long texts quick; it does not outlive the server."""
        script = Path(__file__).with_name("prompt_front.py")
        with subprocess.Popen(
            [sys.executable, str(script), str(self._port)], stdout=subprocess.PIPE, text=True
        ) as front:
            assert front.stdout is not None
            port = int(front.stdout.readline())
            try:
                yield self.url.replace(f":{self._port}/", f":{port}/")
            finally:
                front.kill()

    def start(self) -> None:
        """Start it, also after it was killed; ready when this returns."""
        done = _run(rig_folder() / "server.sh", "start", self._folder, self._port)
        if done.returncode:
            raise RigMissingError(f"its server does not start: {done.stdout}{done.stderr}")

    def kill(self) -> None:
        """kill -9: what a power cut leaves behind."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        pid = self._folder / "pid"
        if not pid.exists():
            return
        with suppress(psutil.NoSuchProcess):
            server = psutil.Process(int(pid.read_text()))
            server.send_signal(number)
            psutil.wait_procs([server], timeout=30)
        pid.unlink()


def _run(script: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
