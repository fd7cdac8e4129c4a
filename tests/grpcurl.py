"""As much of grpcurl as the pages use, for machines that have none: ``python grpcurl.py ...``.

It asks the server by reflection what a method takes, sends JSON, and prints as grpcurl does.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status

from market_spine.v1 import error_pb2

WAIT = 60.0
DETAILS = (error_details_pb2.ErrorInfo, error_pb2.Error)  # known, so that details can be printed


def main(words: Sequence[str]) -> int:
    """Do what grpcurl with these arguments does; the exit code."""
    asked = _arguments(words)
    with _channel(asked) as channel:
        sending = grpc.intercept_channel(channel, _Sending(asked.headers))
        try:
            for text in _answers(sending, asked.method, asked.data):
                print(text)
        except grpc.RpcError as error:
            print(*_error(error), sep="\n", file=sys.stderr)
            return 64 + int(error.code().value[0])
    return 0


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("grpcurl", allow_abbrev=False)
    parser.add_argument("-plaintext", action="store_true")
    parser.add_argument("-cacert", type=Path)
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="data", default="{}")
    parser.add_argument("address")
    parser.add_argument("method")
    return parser.parse_args(words)


def _channel(asked: argparse.Namespace) -> grpc.Channel:
    if asked.plaintext:
        return grpc.insecure_channel(asked.address)
    roots = asked.cacert.read_bytes() if asked.cacert else None
    return grpc.secure_channel(asked.address, grpc.ssl_channel_credentials(roots))


def _answers(channel: grpc.Channel, method: str, data: str) -> Iterator[str]:
    database = ProtoReflectionDescriptorDatabase(channel)
    if method == "list":
        yield from sorted(database.get_services())
        return
    pool = DescriptorPool(database)
    service, _, name = method.rpartition("/")
    found = pool.FindServiceByName(service).FindMethodByName(name)
    request = json_format.Parse(data, GetMessageClass(found.input_type)(), descriptor_pool=pool)
    call = channel.unary_stream(
        f"/{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(found.output_type).FromString,
    )
    for answer in call(request, timeout=WAIT):
        yield _printed(answer, indent=2, descriptor_pool=pool)


class _Sending(grpc.UnaryStreamClientInterceptor, grpc.StreamStreamClientInterceptor):  # type: ignore[misc, type-arg]
    """Sends headers with every call, those of reflection included."""

    def __init__(self, headers: Sequence[str]) -> None:
        self._headers = [
            (name.strip().lower(), value.strip())
            for name, _, value in (header.partition(":") for header in headers)
        ]

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(details._replace(metadata=self._headers), request)

    def intercept_stream_stream(self, continuation: Any, details: Any, requests: Any) -> Any:
        return continuation(details._replace(metadata=self._headers), requests)


def _error(error: Any) -> Iterator[str]:
    code = "".join(part.title() for part in error.code().name.split("_"))
    yield from ("ERROR:", f"  Code: {code}", f"  Message: {error.details()}")
    status = rpc_status.from_call(error)
    if status is not None:
        yield "  Details:"
        for number, detail in enumerate(status.details, 1):
            yield f"  {number})\t{_printed(detail, separators=(',', ':'), sort_keys=True)}"


def _printed(message: Message, descriptor_pool: DescriptorPool | None = None, **form: Any) -> str:
    found = json_format.MessageToDict(
        message, preserving_proto_field_name=True, descriptor_pool=descriptor_pool
    )
    return json.dumps(found, ensure_ascii=False, **form)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
