"""Writes docs/api.md from the protos, which are the only source: ``make api``."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.rpc import code_pb2
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[1]
PROTOS = ROOT / "proto"
PAGE = ROOT / "docs" / "api.md"
PACKAGE = "market_spine.v1"

_INTRODUCTION = """\
# API reference

Made from [the protos](../proto/market_spine/v1) by `make api`; change those, not this page.
[grpc.md](grpc.md) tells how to use it.

Below each method stands what it takes and answers, the least role that may call it, and whether
it reads or writes. What writes is recorded, see [ListAuditEntries](#listauditentries). What reads
may be repeated at will; what writes only where that is said, or with the same `request_id`.
"""

_MESSAGE, _ENUM, _SERVICE = 4, 5, 6  # numbers of fields of FileDescriptorProto: parts of paths
_FIELD, _NESTED, _NESTED_ENUM, _ONEOF = 2, 3, 4, 8  # of DescriptorProto
_METHOD = _VALUE = 2  # of ServiceDescriptorProto and EnumDescriptorProto
_SYNTAX = (12,)
_WELL_KNOWN = "https://protobuf.dev/reference/protobuf/google.protobuf/#"

_Path = tuple[int, ...]
_Field = descriptor_pb2.FieldDescriptorProto
_Method = descriptor_pb2.MethodOptions


@dataclass(frozen=True)
class File:
    """One proto file, and its comments by the path of what they stand at."""

    proto: descriptor_pb2.FileDescriptorProto
    comments: dict[_Path, str]

    @property
    def name(self) -> str:
        """Its name without folders."""
        return self.proto.name.rpartition("/")[2]

    @property
    def title(self) -> str:
        """What it is about: the comment at its very beginning."""
        return self.comments.get(_SYNTAX, "")

    def paragraphs(self, path: _Path) -> list[str]:
        """The comment at a path, each paragraph in one line."""
        text = self.comments.get(path, "")
        return [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]


@dataclass(frozen=True)
class Access:
    """What a method demands: the least role, in lower case, and whether it may change something."""

    role: str
    writes: bool


@dataclass
class Reference:
    """The page while it is written: all files, what is named in them, and the lines so far."""

    files: Sequence[File]
    access: Callable[[descriptor_pb2.MethodOptions], Access]
    links: dict[str, str] = field(default_factory=dict)
    """Anchors by the names that comments may mention: services, methods and messages."""
    constants: set[str] = field(default_factory=lambda: set(code_pb2.Code.keys()))
    """Values of enums, with and without their prefix, and codes of gRPC."""
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for file in self.files:
            for service in file.proto.service:
                self._link(service.name)
                for method in service.method:
                    self._link(method.name)
            for message in file.proto.message_type:
                self._link(message.name)
            for kind in _enums(file.proto.enum_type, file.proto.message_type):
                names = [value.name for value in kind.value]
                prefix = names[0].removesuffix("UNSPECIFIED")
                self.constants.update(*((name, name.removeprefix(prefix)) for name in names))

    def _link(self, name: str) -> None:
        self.links[name] = f"#{anchor(name)}"

    def page(self) -> str:
        """All of it."""
        services = [file for file in self.files if file.proto.service]
        others = [file for file in self.files if not file.proto.service]
        self.lines = _INTRODUCTION.splitlines()
        self._contents(services, others)
        for file in services:
            for number, service in enumerate(file.proto.service):
                self._service(file, service, (_SERVICE, number))
        for file in others:
            self._heading(2, file.name)
            self._text(file.title)
            self._types(file, set(), 3)
        return "\n".join(self.lines) + "\n"

    def _contents(self, services: Sequence[File], others: Sequence[File]) -> None:
        self._table("service", "methods")
        for file in services:
            for service in file.proto.service:
                methods = ", ".join(self._linked(method.name) for method in service.method)
                self._row(self._linked(service.name), methods)
        self._table("resources", "messages and enums")
        for file in others:
            names = [item.name for item in (*file.proto.message_type, *file.proto.enum_type)]
            found = ", ".join(f"[{name}](#{anchor(name)})" for name in names)
            self._row(f"[{file.name}](#{anchor(file.name)})", found)

    def _linked(self, name: str) -> str:
        return f"[{name}]({self.links[name]})"

    def _service(self, file: File, service: Any, path: _Path) -> None:
        """A service: each method with its own messages, and then what these are made of."""
        self._heading(2, service.name)
        self._comment(file, path)
        told = set()
        numbers = {item.name: number for number, item in enumerate(file.proto.message_type)}
        for number, method in enumerate(service.method):
            self._heading(3, method.name)
            self.lines += ["", self._signature(method)]
            self._comment(file, (*path, _METHOD, number))
            for name in (method.input_type, method.output_type):
                index = numbers.get(name.rpartition(".")[2])
                if index is not None and index not in told:
                    told.add(index)
                    self._message(
                        file, file.proto.message_type[index], (_MESSAGE, index), "", level=4
                    )
        self._types(file, told, 3)

    def _signature(self, method: Any) -> str:
        taken = self._type(method.input_type)
        given = self._type(method.output_type)
        taken = f"stream of {taken}" if method.client_streaming else taken
        given = f"stream of {given}" if method.server_streaming else given
        access = self.access(method.options)
        says = [access.role, "writes" if access.writes else "reads"]
        if access.writes and method.options.idempotency_level == _Method.IDEMPOTENT:
            says.append("may be repeated")
        return f"{taken} → {given} · {' · '.join(says)}"

    def _types(self, file: File, told: set[int], level: int) -> None:
        for number, message in enumerate(file.proto.message_type):
            if number not in told:
                self._message(file, message, (_MESSAGE, number), "", level=level)
        for number, kind in enumerate(file.proto.enum_type):
            self._enum(file, kind, (_ENUM, number), "", level=level)

    def _message(self, file: File, message: Any, path: _Path, within: str, *, level: int) -> None:
        name = within + message.name
        self._heading(level, name)
        self._comment(file, path)
        maps = {item.name: item for item in message.nested_type if item.options.map_entry}
        if message.field:
            self._table("field", "type", "")
        for number, item in enumerate(message.field):
            kind = self._field_type(item, maps)
            if item.HasField("oneof_index") and not item.proto3_optional:
                kind += f", one of `{message.oneof_decl[item.oneof_index].name}`"
            says = self._marked(" ".join(file.paragraphs((*path, _FIELD, number))))
            self._row(f"`{item.name}`", kind, says)
        for number, choice in enumerate(message.oneof_decl):
            about = file.paragraphs((*path, _ONEOF, number))
            if about:
                self.lines += ["", f"`{choice.name}`: {self._marked(' '.join(about))}"]
        for number, nested in enumerate(message.nested_type):
            if nested.name not in maps:
                self._message(file, nested, (*path, _NESTED, number), f"{name}.", level=level + 1)
        for number, kind in enumerate(message.enum_type):
            self._enum(file, kind, (*path, _NESTED_ENUM, number), f"{name}.", level=level + 1)

    def _enum(self, file: File, kind: Any, path: _Path, within: str, *, level: int) -> None:
        self._heading(level, within + kind.name)
        self._comment(file, path)
        self._table("value", "")
        for number, value in enumerate(kind.value):
            says = self._marked(" ".join(file.paragraphs((*path, _VALUE, number))))
            self._row(f"`{value.name}`", says)

    def _field_type(self, item: Any, maps: dict[str, Any]) -> str:
        entry = maps.get(item.type_name.rpartition(".")[2])
        if entry is not None:
            key, value = (self._field_type(part, {}) for part in entry.field)
            return f"map of {key} to {value}"
        kind = self._type(item.type_name) if item.type_name else _scalar(item)
        if item.label == _Field.LABEL_REPEATED:
            return f"repeated {kind}"
        return f"optional {kind}" if item.proto3_optional else kind

    def _type(self, full_name: str) -> str:
        """A link to a type, which is ours or Google's."""
        name = full_name.removeprefix(f".{PACKAGE}.")
        if name != full_name:
            return f"[{name}](#{anchor(name)})"
        package, _, short = full_name.lstrip(".").rpartition(".")
        if package == "google.protobuf":
            hyphenated = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", short).lower()
            return f"[{short}]({_WELL_KNOWN}{hyphenated})"
        folder = "/".join(("..", "proto", *package.split(".")))
        return f"[{short}]({folder}/{short.lower()}.proto)"

    def _heading(self, level: int, name: str) -> None:
        self.lines += ["", f"{'#' * level} {name}"]

    def _comment(self, file: File, path: _Path) -> None:
        for paragraph in file.paragraphs(path):
            self._text(paragraph)

    def _text(self, text: str) -> None:
        self.lines += ["", self._marked(" ".join(text.split()))]

    def _table(self, *heads: str) -> None:
        self.lines.append("")
        self._row(*heads)
        self.lines.append(f"|{'---|' * len(heads)}")

    def _row(self, *cells: str) -> None:
        escaped = (cell.replace("|", r"\|") for cell in cells)
        self.lines.append(f"| {' | '.join(escaped)} |")

    def _marked(self, text: str) -> str:
        """A comment as Markdown, its literals, names and constants as code or links."""
        return "".join(
            part if part.startswith("`") else self._words(part) for part in _literals(text)
        )

    def _words(self, text: str) -> str:
        def word(match: re.Match[str]) -> str:
            found = match[0]
            if found in self.links and re.search(r"[a-z][A-Z]", found):
                return self._linked(found)
            return f"`{found}`" if found in self.constants or not found.isalnum() else found

        escaped = re.sub(r"[\\*<~\[\]]", r"\\\g<0>", text)
        return re.sub(r"(?:\b[a-z]\w*\.)*\b[A-Za-z]\w*", word, escaped)


def reference(protos: Path = PROTOS) -> str:
    """The page that follows from the protos below a folder."""
    described = _described(protos)
    ours = [_file(item) for item in described.file if item.package == PACKAGE]
    return Reference(sorted(ours, key=lambda file: file.name), _access_of(described)).page()


def anchor(heading: str) -> str:
    """What GitHub calls a heading in links."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _described(protos: Path) -> descriptor_pb2.FileDescriptorSet:
    """The protos as protoc understands them, with their comments."""
    files = sorted(str(path) for path in protos.joinpath(*PACKAGE.split(".")).glob("*.proto"))
    standard = Path(protoc.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "protos"
        arguments = [
            "protoc",
            f"-I{protos}",
            f"-I{standard}",
            "--include_imports",
            "--include_source_info",
            f"--descriptor_set_out={out}",
            *files,
        ]
        if protoc.main(arguments) != 0:
            raise SystemExit("protoc failed: the message above names file and line")
        return descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())


def _file(proto: descriptor_pb2.FileDescriptorProto) -> File:
    comments: dict[_Path, str] = {}
    for place in proto.source_code_info.location:
        # What stands alone at the top of a file is detached from its first statement.
        alone = place.leading_detached_comments if tuple(place.path) == _SYNTAX else ()
        text = place.leading_comments or place.trailing_comments or "\n".join(alone)
        if text:
            comments[tuple(place.path)] = "\n".join(line.strip() for line in text.splitlines())
    return File(proto, comments)


def _access_of(
    described: descriptor_pb2.FileDescriptorSet,
) -> Callable[[descriptor_pb2.MethodOptions], Access]:
    """Reads the option ``access`` of a method as the protos define it, not as the code does."""
    pool = descriptor_pool.DescriptorPool()
    for proto in described.file:
        pool.Add(proto)  # imports come first
    extension = pool.FindExtensionByName(f"{PACKAGE}.access")
    options_type = message_factory.GetMessageClass(
        pool.FindMessageTypeByName("google.protobuf.MethodOptions")
    )
    roles = pool.FindEnumTypeByName(f"{PACKAGE}.Role").values_by_number

    def access(options: descriptor_pb2.MethodOptions) -> Access:
        found: Any = options_type.FromString(options.SerializeToString())
        value = found.Extensions[extension]
        return Access(roles[value.role].name.removeprefix("ROLE_").lower(), value.writes)

    return access


def _enums(kinds: Any, messages: Any) -> Iterator[Any]:
    yield from kinds
    for message in messages:
        yield from _enums(message.enum_type, message.nested_type)


def _scalar(item: Any) -> str:
    return _Field.Type.Name(item.type).removeprefix("TYPE_").lower()


def _literals(text: str) -> Iterator[str]:
    """The text in parts: what is in backticks or double quotes as code, and all between."""
    place = 0
    # A quote that is told about ("" or \") is no literal.
    for match in re.finditer(r'`[^`]+`|(?<![\\"\w])"([^"\s][^"]*)"', text):
        yield text[place : match.start()]
        yield match[0] if match[1] is None else f"`{match[1]}`"
        place = match.end()
    yield text[place:]


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
    print(f"{PAGE} is written")
