"""The gRPC server: asyncio for the calls, a few threads for the use cases."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import grpc

from .api import Api, ApiUses
from .listening import Listening

_THREADS = 8
_GRACE = 10.0  # seconds that calls in flight may go on after a signal to stop
_MOST_CALLS = 4_000  # in flight at once, over all connections

_OPTIONS: tuple[tuple[str, int], ...] = (
    # Without it a second server on the port would silently take a share of the calls.
    ("grpc.so_reuseport", 0),
    ("grpc.max_concurrent_streams", 100),  # calls of one connection; more wait at the client
    ("grpc.max_receive_message_length", 1024 * 1024),
    # A connection without a sign of life is given up after 60 + 20 seconds.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Clients may ping every 20 seconds, also while idle; those that ping oftener are cut off.
    ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
)

_log = logging.getLogger(__name__)


def serve(
    listening: Listening,
    uses: ApiUses,
    *,
    ready: Callable[[int], None] | None = None,
    stopping: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT, then let the calls in flight end (10 s at most) and return.

    ``ready`` is called with the port once calls are accepted, ``stopping`` when a signal has come.
    Raises a ConfigurationError for an address that cannot be listened on, and for certificates
    that cannot be used. Runs in the main thread only, as it takes over both signals.
    """
    listening.checked()
    _take_descriptors()
    with (
        ThreadPoolExecutor(_THREADS, thread_name_prefix="use-case") as threads,
        asyncio.Runner(loop_factory=_loop_factory()) as runner,
    ):
        runner.run(_serve(listening, uses, threads, ready, stopping))


def _take_descriptors() -> None:
    """Let the process open as many files as it may: each connection is one.

    Most systems begin with 1,024, for the sake of programs that use select.
    """
    try:
        import resource  # noqa: PLC0415  # there is none for Windows
    except ImportError:
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems tell more than they give
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415  # there is none for Windows
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(
    listening: Listening,
    uses: ApiUses,
    threads: ThreadPoolExecutor,
    ready: Callable[[int], None] | None,
    stopping: Callable[[], None],
) -> None:
    stop = _stop_on_signals()
    api = Api(
        uses,
        threads,
        demands_credentials=listening.demands_credentials,
        certificates=listening.client_ca is not None,
    )
    server = grpc.aio.server(
        interceptors=api.interceptors, options=_OPTIONS, maximum_concurrent_rpcs=_MOST_CALLS
    )
    api.add_to(server)
    port = listening.add_port(server)
    await server.start()
    housekeeping = [asyncio.create_task(work) for work in (api.meter.tell(), api.keep_house())]
    try:
        if ready is not None:
            ready(port)
        await stop.wait()
        stopping()
        _log.info("draining: calls in flight have %s seconds", _GRACE)
    finally:
        for work in housekeeping:
            work.cancel()
        api.drain()
        await server.stop(_GRACE)
        api.close()


def _stop_on_signals() -> asyncio.Event:
    """An event set by the first signal; a second one then ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    wanted = (signal.SIGTERM, signal.SIGINT)

    def on_signal() -> None:
        stop.set()
        for number in wanted:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    def on_windows_signal(number: int, frame: object) -> None:
        del number, frame
        loop.call_soon_threadsafe(stop.set)

    for number in wanted:
        try:
            loop.add_signal_handler(number, on_signal)
        except NotImplementedError:
            signal.signal(number, on_windows_signal)
    return stop
