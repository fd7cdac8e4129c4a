"""Requests to a gRPC server as fast as it answers them, by h2load (Debian: nghttp2-client)."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_BYTES = re.compile(r"\((\d+)\) data")
_RATE = re.compile(r"finished in [\d.]+\w*, ([\d.]+) req/s")


@dataclass(frozen=True)
class Load:
    """How a server took a load: requests a second, and milliseconds of single requests."""

    rate: float
    p50: float
    p99: float


class LoadError(Exception):
    """There is no h2load, or not every request was answered with a message."""


def h2load(
    port: int,
    path: str,
    message: bytes,
    *,
    requests: int,
    connections: int,
    streams: int,
    headers: tuple[str, ...] = (),
    least_bytes: int = 6,
) -> Load:
    """Send a message so many times; each answer has to be a message of so many bytes at least.

    h2load itself knows nothing of gRPC: a failed call has no data, so the bytes tell.
    """
    program = shutil.which("h2load")
    if program is None:
        raise LoadError("h2load is not installed: apt-get install nghttp2-client")
    with tempfile.TemporaryDirectory() as folder:
        body, log = Path(folder, "body"), Path(folder, "log")
        body.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
        command = [
            program,
            f"-n{requests}",
            f"-c{connections}",
            f"-m{streams}",
            f"-d{body}",
            f"--log-file={log}",
        ]
        for header in ("content-type: application/grpc", "te: trailers", *headers):
            command += ["-H", header]
        command.append(f"http://127.0.0.1:{port}{path}")
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        rate, data = _RATE.search(said), _BYTES.search(said)
        if rate is None or data is None or int(data[1]) < requests * least_bytes:
            raise LoadError(f"not every request to {path} was answered:\n{said}")
        took = sorted(int(line.split("\t")[2]) / 1000 for line in log.read_text().splitlines())
    return Load(float(rate[1]), took[len(took) // 2], took[len(took) * 99 // 100])
