"""Measure the API against a bare echo on the same machine, in the same run.

    python benchmarks/grpc_api.py                 # all parts; takes h2load (nghttp2-client)
    python benchmarks/grpc_api.py --only get,gate

GetRun is compared with an echo of grpc.aio and uvloop, both alternating; Query with reading the
same rows in process; the others with a time or a size. A missed goal is a result, not a failure.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import grpc
import psutil
from grpc_load import Load, h2load
from grpc_scene import Scene, on_postgres, on_sqlite
from refresh_week import Goal

from market_spine.client import SpineClient
from market_spine.v1 import run_service_pb2, run_service_pb2_grpc

HERE = Path(__file__).parent
GET = "/market_spine.v1.RunService/GetRun"
LIST = "/market_spine.v1.RunService/ListRuns"
CONNECTIONS, STREAMS = 10, 10
REPEATS = 5
PARTS = ("start", "get", "gate", "query", "watch", "list")


@contextmanager
def echo() -> Iterator[int]:
    """The port of a server that does nothing."""
    process = subprocess.Popen(
        [sys.executable, HERE / "grpc_echo.py"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


def loaded(port: int, path: str, message: bytes, requests: int, *headers: str) -> Load:
    return h2load(
        port,
        path,
        message,
        requests=requests,
        connections=CONNECTIONS,
        streams=STREAMS,
        headers=headers,
    )


def start(scene: Scene) -> Iterator[Goal]:
    """Until a server on a store that is there is ready, and its memory while nobody calls."""
    took, memory = [], []
    for _ in range(REPEATS):
        started = time.perf_counter()
        with scene.served():
            took.append(time.perf_counter() - started)
            time.sleep(2)
            memory.append(psutil.Process(scene.pid).memory_info().rss / 1e6)
    print(f"  ready after {median(took):.2f} s ({min(took):.2f} to {max(took):.2f})")
    yield Goal("start, seconds until ready", 2.0, median(took))
    yield Goal("start, MB while nobody calls", 200.0, max(memory))


def get_run(scene: Scene, requests: int) -> Iterator[Goal]:
    """GetRun beside the echo, one after the other, several times."""
    message = run_service_pb2.GetRunRequest(name=scene.run).SerializeToString()
    ours, bare = [], []
    with scene.served() as port, echo() as bare_port:
        for _ in range(REPEATS):
            bare.append(loaded(bare_port, "/e/E", b"x" * 32, requests))
            ours.append(loaded(port, GET, message, requests))
    rate = median(item.rate for item in ours) / median(item.rate for item in bare)
    late = median(item.p99 for item in ours) / median(item.p99 for item in bare)
    for name, loads in (("echo", bare), ("GetRun", ours)):
        print(
            f"  {name:<8} {median(item.rate for item in loads):7.0f} requests/s, "
            f"p50 {median(item.p50 for item in loads):.1f} ms, "
            f"p99 {median(item.p99 for item in loads):.1f} ms"
        )
    # Goals are upper bounds: how many requests of the echo one of ours is worth.
    yield Goal("GetRun, requests of the echo for one", 1 / 0.35, 1 / rate)
    yield Goal("GetRun, p99 of the echo", 3.0, late)


def gate(scene: Scene, requests: int) -> Iterator[Goal]:
    """GetRun with a token, and log lines of calls, beside GetRun without."""
    message = run_service_pb2.GetRunRequest(name=scene.run).SerializeToString()
    header = f"authorization: Bearer {scene.token()}"
    plain, guarded = [], []
    with scene.served() as port, scene.served(SPINE_LOG_LEVEL="INFO") as told:
        for _ in range(REPEATS):
            plain.append(loaded(port, GET, message, requests).rate)
            guarded.append(loaded(told, GET, message, requests, header).rate)
    ratio = median(plain) / median(guarded)
    print(f"  open {median(plain):.0f}, with token and log {median(guarded):.0f} requests/s")
    yield Goal("token, gate and log on GetRun", 1 / 0.85, ratio)


def list_runs(scene: Scene) -> Iterator[Goal]:
    """Pages of 50 of a long history, ten at a time."""
    message = run_service_pb2.ListRunsRequest(page_size=50).SerializeToString()
    with scene.served() as port:
        h2load(port, LIST, message, requests=200, connections=10, streams=1)
        load = h2load(port, LIST, message, requests=2_000, connections=10, streams=1)
    print(f"  {load.rate:.0f} pages/s, p50 {load.p50:.1f} ms, p99 {load.p99:.1f} ms")
    yield Goal("ListRuns of 1,000,000 runs, p99 in ms", 60.0, load.p99)


def query(scene: Scene) -> Iterator[Goal]:
    """A large answer as a frame, through the client and in process."""
    inside, outside = [], []
    with scene.served() as port, SpineClient(f"127.0.0.1:{port}") as client:
        for _ in range(REPEATS):
            inside.append(_timed(scene.read))
            outside.append(_timed(lambda: client.query(scene.dataset)))
    rows = inside[0][1]
    assert outside[0][1] == rows
    here, there = (median(took for took, _ in times) for times in (inside, outside))
    print(f"  {rows:,} rows: in process {here:.2f} s, through the client {there:.2f} s")
    yield Goal("Query, times of reading in process", 2.0, there / here)


def watchers(scene: Scene, count: int) -> Iterator[Goal]:
    """One run, watched by many: from its commit until the last one hears of an event."""
    with scene.served() as port:
        server = psutil.Process(scene.pid)
        channels = [grpc.insecure_channel(f"127.0.0.1:{port}", _OWN) for _ in range(count // 100)]
        run = scene.submit()
        ready, heard = threading.Barrier(count + 1), threading.Barrier(count + 1)

        def watch(number: int) -> float:
            stub = run_service_pb2_grpc.RunServiceStub(channels[number % len(channels)])
            stream = stub.WatchRun(run_service_pb2.WatchRunRequest(name=run))
            for news in stream:
                if news.WhichOneof("news") == "event":
                    break
            ready.wait()
            for news in stream:
                if news.WhichOneof("news") == "event":
                    break
            at = time.perf_counter()
            heard.wait()
            stream.cancel()
            return at

        threading.stack_size(256 * 1024)
        with ThreadPoolExecutor(count) as pool:
            waiting = [pool.submit(watch, number) for number in range(count)]
            ready.wait()
            memory = server.memory_info().rss / 1e6
            started = time.perf_counter()
            scene.cancel(run)
            heard.wait()
            last = max(item.result() for item in waiting) - started
        for channel in channels:
            channel.close()
    print(f"  {count:,} watchers: the last one after {last:.2f} s, server {memory:.0f} MB")
    yield Goal(f"{count:,} watchers, seconds to the last", 1.0, last)
    yield Goal(f"{count:,} watchers, MB of the server", 400.0, memory)


_OWN = [("grpc.use_local_subchannel_pool", 1)]


def _timed(read: Callable[[], object]) -> tuple[float, int]:
    started = time.perf_counter()
    rows: int = read().height  # type: ignore[attr-defined]  # a frame
    return time.perf_counter() - started, rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=10_000, help="of each load")
    parser.add_argument("--runs", type=int, default=1_000_000, help="of the long history")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the large answer")
    parser.add_argument("--watchers", type=int, default=1_000)
    parser.add_argument(
        "--only", default="start,get,gate,query,watch,list", help="parts, with commas"
    )
    options = parser.parse_args()
    parts = options.only.split(",")
    goals: list[Goal] = []
    with tempfile.TemporaryDirectory() as folder:
        if set(PARTS[:-1]) & set(parts):
            scene = on_sqlite(Path(folder), options.rows if "query" in parts else 0)
            for part, measure in (
                ("start", lambda: start(scene)),
                ("get", lambda: get_run(scene, options.requests)),
                ("gate", lambda: gate(scene, options.requests)),
                ("query", lambda: query(scene)),
                ("watch", lambda: watchers(scene, options.watchers)),
            ):
                if part in parts:
                    print(part)
                    goals.extend(measure())
        if "list" in parts:
            print("list")
            with on_postgres(Path(folder), options.runs) as scene:
                goals.extend(list_runs(scene))
    for goal in goals:
        print(goal)


if __name__ == "__main__":
    main()
