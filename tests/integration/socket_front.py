"""A TCP port before a server that listens on a Unix socket: with TLS where asked, and breakable."""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

_TLS_ASKED = 80877103
_ENCRYPTION_ASKED = (_TLS_ASKED, 80877104)


class SocketFront:
    """Listens on 127.0.0.1 at ``port`` and hands everything on to the socket at ``target``."""

    port: int

    def __init__(self, target: Path, context: ssl.SSLContext | None = None) -> None:
        self._target = target
        self._context = context
        self._open: set[asyncio.StreamWriter] = set()
        self._listening = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def cut(self) -> None:
        """Break all connections, without a word to either side."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(self._cut())
        pending = asyncio.all_tasks(self._loop)
        for task in pending:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        self._loop.close()

    async def _cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
            begin = await self._begun(reader, writer)
            behind, onward = await asyncio.open_unix_connection(self._target)
            onward.write(begin)
            self._open |= {writer, onward}
            await asyncio.gather(_pump(reader, onward), _pump(behind, writer))
        writer.close()

    async def _begun(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """What the client says first once it is settled whether the rest is encrypted."""
        while True:
            begin = await reader.readexactly(8)
            asked = int.from_bytes(begin[4:])
            if asked not in _ENCRYPTION_ASKED:
                return begin
            if asked == _TLS_ASKED and self._context is not None:
                writer.write(b"S")
                await writer.start_tls(self._context)
            else:
                writer.write(b"N")


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while read := await reader.read(65536):
            writer.write(read)
            await writer.drain()
    with suppress(OSError):
        writer.close()
