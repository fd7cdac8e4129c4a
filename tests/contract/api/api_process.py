"""Starts, drives and stops the server under test."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any, Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from market_spine.v1 import run_service_pb2_grpc

WAIT = 20.0
SERVER = Path(__file__).with_name("api_server.py")


class ApiProcess:
    """One server process; ``port`` is where it listens, 0 when it refused to start.

    It serves ``database``, a file of SQLite, and logs beside it.
    """

    def __init__(self, database: Path, listen: str = "127.0.0.1:0", page_key: str = "") -> None:
        self._log = database.with_suffix(".log")
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        with self._log.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(SERVER), str(database), listen, page_key],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._commands: IO[str] = self.process.stdin
        self._output: IO[str] = self.process.stdout
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()
        self.first_event = self.event()
        self.port = int(self.first_event.get("port", 0))
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}")
        self.runs = run_service_pb2_grpc.RunServiceStub(self.channel)
        self.health = health_pb2_grpc.HealthStub(self.channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.channel.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(WAIT)
        self._reader.join(WAIT)
        self._commands.close()
        self._output.close()

    def _listen(self) -> None:
        for line in self._output:
            self._events.put(json.loads(line))
        self._events.put({"event": "ended"})

    def event(self) -> dict[str, Any]:
        """What the process says next."""
        try:
            said = self._events.get(timeout=WAIT)
        except queue.Empty:
            raise AssertionError(f"the server said nothing for {WAIT} s\n{self.log}") from None
        assert said["event"] != "ended", f"the server ended\n{self.log}"
        return said

    def expect(self, event: str) -> dict[str, Any]:
        said = self.event()
        assert said["event"] == event, f"{said} instead of {event}\n{self.log}"
        return said

    def _command(self, **command: Any) -> None:
        self._commands.write(json.dumps(command) + "\n")
        self._commands.flush()
        self.expect("done")

    def add(self, *runs: dict[str, Any]) -> None:
        """Add runs to the history; each needs a ``number``, from which its id follows."""
        self._command(do="add", runs=runs)

    def release(self) -> None:
        """Let slow calls go on."""
        self._command(do="release")

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def exit_code(self) -> int:
        return self.process.wait(WAIT)

    def health_of(self, service: str = "") -> str:
        request = health_pb2.HealthCheckRequest(service=service)
        status = self.health.Check(request, timeout=WAIT).status
        return health_pb2.HealthCheckResponse.ServingStatus.Name(status)

    @property
    def log(self) -> str:
        return self._log.read_text()
