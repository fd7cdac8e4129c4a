"""The gRPC server: asyncio for the calls, a few threads for the use cases."""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from ....application.read_runs import ReadRuns
from ....v1 import run_service_pb2, run_service_pb2_grpc
from .error_interceptor import ErrorInterceptor
from .health import HealthService
from .listen_address import listening_address, port_taken
from .run_service import RunService

DEFAULT_LISTEN = "127.0.0.1:50051"

_THREADS = 8
_GRACE = 10.0  # seconds that calls in flight may go on after a signal to stop
_MOST_CALLS = 1_000  # in flight at once, over all connections

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
    listen: str,
    read_runs: ReadRuns,
    *,
    insecure: bool = False,
    page_key: bytes | None = None,
    ready: Callable[[int], None] | None = None,
    stopping: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT, then let the calls in flight end (10 s at most) and return.

    ``listen`` is host:port of this machine; port 0 takes a free one; ``insecure`` allows one that
    others reach, though there is neither TLS nor authentication. ``ready`` is called with the
    port once calls are accepted, ``stopping`` when a signal has come. Page tokens are good for
    servers with the same ``page_key`` (by default a fresh one: until this server stops). Raises a
    ConfigurationError for an address that cannot be listened on. Runs in the main thread only, as
    it takes over both signals.
    """
    address = listening_address(listen, insecure=insecure)
    with (
        ThreadPoolExecutor(_THREADS, thread_name_prefix="use-case") as threads,
        asyncio.Runner(loop_factory=_loop_factory()) as runner,
    ):
        service = RunService(read_runs, threads, page_key or secrets.token_bytes(32))
        runner.run(_serve(address, service, ready, stopping))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415  # there is none for Windows
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(
    address: str,
    service: RunService,
    ready: Callable[[int], None] | None,
    stopping: Callable[[], None],
) -> None:
    stop = _stop_on_signals()
    server = grpc.aio.server(
        interceptors=(ErrorInterceptor(),), options=_OPTIONS, maximum_concurrent_rpcs=_MOST_CALLS
    )
    health = _add_services(server, service)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise port_taken(address, error) from error
    await server.start()
    try:
        if ready is not None:
            ready(port)
        await stop.wait()
        stopping()
        _log.info("draining: calls in flight have %s seconds", _GRACE)
    finally:
        health.drain()
        await server.stop(_GRACE)


def _add_services(server: grpc.aio.Server, service: RunService) -> HealthService:
    api = run_service_pb2.DESCRIPTOR.services_by_name["RunService"].full_name
    standard = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
    health = HealthService((api, standard, reflection.SERVICE_NAME))
    run_service_pb2_grpc.add_RunServiceServicer_to_server(  # type: ignore[no-untyped-call]  # generated
        service, server
    )
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    reflection.enable_server_reflection((api, standard, reflection.SERVICE_NAME), server)
    return health


def _stop_on_signals() -> asyncio.Event:
    """An event set by the first signal; a second one then ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    wanted = (signal.SIGTERM, signal.SIGINT)

    def on_signal() -> None:
        stop.set()
        for number in wanted:
            loop.remove_signal_handler(number)

    def on_windows_signal(number: int, frame: object) -> None:
        del number, frame
        loop.call_soon_threadsafe(stop.set)

    for number in wanted:
        try:
            loop.add_signal_handler(number, on_signal)
        except NotImplementedError:
            signal.signal(number, on_windows_signal)
    return stop
