"""Which codes the comments of the protos document for each method."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
import grpc_tools
from api_calls import METHODS
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

PROTOS = Path(__file__).parents[3] / "proto"
CODES = {code.name for code in grpc.StatusCode}
_CODE = re.compile(r"\b[A-Z]+(?:_[A-Z]+)*\b")
_LIKE = re.compile(r"\b[Aa]s\s+(?:`?)([A-Z]\w+)\b")
_SERVICE, _METHOD = (
    6,
    2,
)  # numbers of the fields in descriptor.proto, as paths of comments name them


@cache
def documented(method: str) -> frozenset[str]:
    """The codes that the comment of a method names, itself or by another method's."""
    return frozenset(_codes(method, set())) - {"OK"}


@cache
def of_every_method() -> frozenset[str]:
    """The codes that every method may answer, as the service of runs tells for all."""
    [text] = re.findall(r"every method may\s+answer (.+)", _comments()["RunService"], re.DOTALL)
    return frozenset(CODES.intersection(_CODE.findall(text)))


def _codes(method: str, known: set[str]) -> set[str]:
    if method in known:
        return set()
    known.add(method)
    text = _comments()[method]
    found = CODES.intersection(_CODE.findall(text))
    for name in _LIKE.findall(text):
        for other in METHODS:
            if other.endswith(f".{name}"):
                found |= _codes(other, known)
    return found


@cache
def _comments() -> dict[str, str]:
    """The comments of services and methods, by "RunService" and "RunService.GetRun"."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "protos.bin"
        files = sorted((PROTOS / "market_spine" / "v1").glob("*.proto"))
        arguments = [
            "protoc",
            f"-I{PROTOS}",
            f"-I{Path(grpc_tools.__file__).parent / '_proto'}",
            "--include_source_info",
            f"--descriptor_set_out={out}",
            *(str(file) for file in files),
        ]
        assert protoc.main(arguments) == 0
        described = FileDescriptorSet.FromString(out.read_bytes())
    found: dict[str, str] = {}
    for file in described.file:
        found.update(_comments_of(file))
    return found


def _comments_of(file: FileDescriptorProto) -> dict[str, str]:
    names = {}
    for number, service in enumerate(file.service):
        names[_SERVICE, number] = service.name
        for place, method in enumerate(service.method):
            names[_SERVICE, number, _METHOD, place] = f"{service.name}.{method.name}"
    found = dict.fromkeys(names.values(), "")
    for location in file.source_code_info.location:
        name = names.get(tuple(location.path))
        if name is not None:
            found[name] = location.leading_comments
    return found
