"""A server of the test's own: `spine serve` as a process, with a home and a store of its own."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import grpc
import psutil
from api_calls import WAIT, Api
from grpc_health.v1 import health_pb2, health_pb2_grpc

from market_spine.adapters.inbound.cli.progress import TerminalProgress
from market_spine.bootstrap.container import Container, build_container
from market_spine.bootstrap.settings import load_settings
from market_spine.domain.access import Role

HERE = Path(__file__).parent
SPINE = Path(sys.executable).parent / "spine"
CRASHES = (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS)
_READY = "serving gRPC on "


def environment(home: Path, **changes: str) -> dict[str, str]:
    """The variables that a server gets, and whoever looks into its store."""
    return {
        **{name: item for name, item in os.environ.items() if not name.startswith("SPINE_")},
        "PYTHONPATH": str(HERE),
        "SPINE_HOME": str(home),
        "SPINE_MODULES": "api_pipelines",
        "SPINE_GRACE": "2",
        **changes,
    }


class Home:
    """A folder, and the store that belongs to it: SQLite in it, or what ``url`` says."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.folder = folder
        self.url = url

    @property
    def variables(self) -> dict[str, str]:
        return {} if self.url is None else {"SPINE_DATABASE_URL": self.url}

    def container(self) -> Container:
        """What the server is made of, for what only an operator beside it can do."""
        given: dict[str, Any] = {"home": self.folder, "modules": ("api_pipelines",)}
        if self.url is not None:
            given["database_url"] = self.url
        return build_container(load_settings(**given), TerminalProgress(enabled=False))

    def token(
        self, role: str, *, expires_in: timedelta | None = None, revoked: bool = False
    ) -> str:
        """The text of a new token; one may be made that is not valid any more."""
        from market_spine.application.access.tokens import CreateToken, RevokeToken

        container = self.container()
        store, clock = container.store(), container.clock()
        create = CreateToken(store, clock, container.ids(), container.unguessable())
        token, text = create(f"{role}-of-tests", Role[role.upper()], expires_in)
        if revoked:
            RevokeToken(store, clock)(token.id)
        store.close()
        return text


class Server:
    """One process. ``port`` is where it listens; 0 when it has ended instead."""

    def __init__(
        self,
        home: Home,
        *arguments: str,
        listen: str = "127.0.0.1:0",
        workers: int = 0,
        **variables: str,
    ) -> None:
        self.home = home
        self.log_file = home.folder / "server.log"
        home.folder.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [SPINE, "serve", "--listen", listen, "--workers", str(workers), *arguments],
                env=environment(home.folder, **home.variables, **variables),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
                cwd=home.folder,
            )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        said = self._lines.get(timeout=WAIT)
        self.port = int(said.rpartition(":")[2]) if said.startswith(_READY) else 0

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.strip())
        self._lines.put("")

    def __enter__(self) -> Self:
        assert self.port, f"the server did not start\n{self.log}"
        return self

    def __exit__(self, *exc: object) -> None:
        self.end()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    @property
    def defects(self) -> str:
        """What the log tells of the first unexpected error; empty when there was none."""
        _, found, told = self.log.partition("correlation id")
        return "\n".join((found + told).splitlines()[:60])

    def api(self, **given: Any) -> Api:
        return Api(self.address, **given)

    def health(self, service: str = "", channel: grpc.Channel | None = None) -> str:
        """What it says of itself; the name of a code when it says nothing."""
        with channel or grpc.insecure_channel(self.address) as opened:
            stub = health_pb2_grpc.HealthStub(opened)
            try:
                answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=WAIT)
            except grpc.RpcError as error:
                return str(error.code().name)  # type: ignore[attr-defined]
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def exit_code(self) -> int:
        return self.process.wait(WAIT)

    @property
    def memory(self) -> int:
        """Resident bytes of the server itself, without what executes runs."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    @property
    def descriptors(self) -> int:
        return int(psutil.Process(self.process.pid).num_fds())

    @property
    def opened(self) -> list[str]:
        """What the descriptors of the server stand for."""
        found = []
        for item in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(OSError):
                found.append(str(item.readlink()))
        return found

    def end(self) -> None:
        """The process and all that it started is gone when this returns."""
        family = [self.process.pid]
        with suppress(psutil.NoSuchProcess):
            family += [
                child.pid for child in psutil.Process(self.process.pid).children(recursive=True)
            ]
        ended = self.process.poll()
        if ended is None:
            self.process.kill()
        self.process.wait(WAIT)
        for pid in family[1:]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._reader.join(WAIT)
        assert self.process.stdout is not None
        self.process.stdout.close()
        assert ended not in CRASHES, f"the server has crashed with {ended}\n{self.log}"
