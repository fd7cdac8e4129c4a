"""The least that a gRPC server can do: answer each message with itself. Prints its port."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import uvloop


class Echo(grpc.GenericRpcHandler):
    """Answers every method."""

    def service(self, handler_call_details: Any) -> Any:
        del handler_call_details
        same: Callable[[bytes, Any], Any] = _same
        return grpc.unary_unary_rpc_method_handler(same)


async def _same(request: bytes, context: Any) -> bytes:
    del context
    return request


async def main() -> None:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((Echo(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main())
