"""Any message of a type, by its descriptor: of what there is on the server, and what cannot be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st


class Seeds(dict[str, Sequence[Any]]):
    """Values that mean something, by "Message.field", else by the name of the field."""

    def __repr__(self) -> str:  # failures show it
        return "SEEDS"


NEEDED = {
    "name",
    "parent",
    "plan",
    "pipeline",
    "dataset",
    "backfill",
    "first_period",
    "last_period",
}
"""Fields without which most requests are refused at once."""

_DEEPEST = 4
_WHOLE = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
}
_LETTERS = st.characters(exclude_categories=["Cs"])
_TEXTS = st.one_of(
    st.text(_LETTERS, max_size=12),
    st.sampled_from(
        ["", "\x00", "a\x00b", "\ufffe", "\u202e", "%", "_", "'", '"', "\\", "../..", "*"]
    ),
    st.builds(
        str.__mul__, st.sampled_from(["x", "ä", "'", "(", "\n"]), st.sampled_from([129, 5_000])
    ),
)
_RARE = st.builds(str.__mul__, st.sampled_from(["x", "🙂"]), st.sampled_from([60_000, 250_000]))
_DAYS = [
    {},
    {"year": 1, "month": 1, "day": 1},
    {"year": 9999, "month": 12, "day": 31},
    {"year": 2025, "month": 11, "day": 10},
    {"year": 2025, "month": 11, "day": 17},
    {"year": 2025, "month": 2, "day": 29},
    {"year": 2025},
    {"year": -1, "month": -1, "day": -1},
    {"year": 2**31 - 1, "month": 2**31 - 1, "day": 2**31 - 1},
]
_SECONDS = st.sampled_from(
    [0, 1, -1, 2**31, 1_763_000_000, 253_402_300_799, 253_402_300_800, -62_135_596_800,
     -62_135_596_801, 315_576_000_000, 315_576_000_001, 2**63 - 1, -(2**63)]
)  # fmt: skip
_NANOS = st.sampled_from([0, 1, -1, 999, 999_999_999, 1_000_000_000, -(2**31), 2**31 - 1])


@st.composite
def requests(draw: st.DrawFn, kind: Descriptor, seeds: Seeds) -> Message:
    """A request: a likely one, one that is likely but for one field, or anything."""
    chosen = draw(st.integers(0, 9))
    if chosen == 0 or not kind.fields:
        return draw(messages(kind, seeds))
    told = {}
    odd = draw(st.sampled_from([field.name for field in kind.fields])) if chosen > 4 else ""
    for field in kind.fields:
        if field.name == odd:
            told[field.name] = draw(_field(field, seeds, 0))
        elif field.name in NEEDED or draw(st.integers(0, 2)) == 0:
            told[field.name] = draw(_likely(field, seeds))
    oneof = next((item for item in kind.oneofs if len(item.fields) > 1), None)
    if oneof is not None:
        keep = draw(st.sampled_from([field.name for field in oneof.fields]))
        told = {name: item for name, item in told.items() if name == keep}
    return _built(GetMessageClass(kind), told)


def _likely(field: FieldDescriptor, seeds: Seeds) -> st.SearchStrategy[Any]:
    """A value that a method may well take."""
    known = _known(field, seeds)
    if known is not None:
        one = st.sampled_from(list(known))
        repeated = field.is_repeated and not _is_map(field)
        return st.lists(one, max_size=2, unique=True) if repeated else one
    if field.message_type is not None and not _is_map(field):
        inside = field.message_type
        if inside.full_name in _LIKELY:
            return st.sampled_from(_LIKELY[inside.full_name]).map(
                lambda told: GetMessageClass(inside)(**told)
            )
        needed = [item for item in inside.fields if item.name in NEEDED]
        known_ones = [item for item in inside.fields if _known(item, seeds) is not None]
        one = st.fixed_dictionaries(
            {
                item.name: _likely(item, seeds)
                for item in needed
                if item in known_ones or _is_date(item)
            },
            optional={item.name: _likely(item, seeds) for item in known_ones if item not in needed},
        ).map(lambda told: _built(GetMessageClass(inside), told))
        return st.lists(one, max_size=2) if field.is_repeated else one
    match field.type:
        case FieldDescriptor.TYPE_BOOL:
            one = st.booleans()
        case FieldDescriptor.TYPE_ENUM:
            one = st.sampled_from([value.number for value in field.enum_type.values])
        case FieldDescriptor.TYPE_STRING:
            one = st.just("")
        case FieldDescriptor.TYPE_BYTES:
            one = st.binary(min_size=32, max_size=32)
        case kind if kind in _WHOLE:
            one = st.sampled_from([0, 1, 2, 100])
        case _:
            one = st.just({}) if _is_map(field) else _one(field, seeds, 0)
    return st.lists(one, max_size=2) if field.is_repeated and not _is_map(field) else one


def _known(field: FieldDescriptor, seeds: Seeds) -> Sequence[Any] | None:
    return seeds.get(f"{field.containing_type.name}.{field.name}", seeds.get(field.name))


def _is_date(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.full_name == "google.type.Date"


_LIKELY: Mapping[str, Sequence[Mapping[str, int]]] = {
    "google.type.Date": [{"year": 2025, "month": 11, "day": 10}],
    "google.protobuf.Timestamp": [{"seconds": 1_763_000_000}, {"seconds": 4_000_000_000}],
    "google.protobuf.Duration": [{"seconds": 86_400}],
}


def messages(kind: Descriptor, seeds: Seeds, depth: int = 0) -> st.SearchStrategy[Message]:
    """Any message of the type."""
    made = GetMessageClass(kind)
    match kind.full_name:
        case "google.type.Date":
            return st.sampled_from(_DAYS).map(lambda told: made(**told))
        case "google.protobuf.Timestamp" | "google.protobuf.Duration":
            return st.builds(made, seconds=_SECONDS, nanos=_NANOS)
        case "market_spine.v1.Value":
            return _values(made)
    fields = {
        field.name: _field(field, seeds, depth)
        for field in kind.fields
        if depth < _DEEPEST or field.message_type is None
    }
    return st.fixed_dictionaries({}, optional=fields).map(lambda told: _built(made, told))


def _built(made: type[Message], told: Mapping[str, Any]) -> Message:
    message = made()
    for name, value in told.items():
        field = message.DESCRIPTOR.fields_by_name[name]
        if _is_map(field):
            for key, item in value.items():
                if field.message_type.fields_by_name["value"].message_type is None:
                    getattr(message, name)[key] = item
                else:
                    getattr(message, name)[key].CopyFrom(item)
        elif field.is_repeated:
            getattr(message, name).extend(value)
        elif field.message_type is not None:
            getattr(message, name).CopyFrom(value)
        else:
            setattr(message, name, value)
    return message


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _field(field: FieldDescriptor, seeds: Seeds, depth: int) -> st.SearchStrategy[Any]:
    if _is_map(field):
        entry = field.message_type.fields_by_name
        names = st.one_of(st.sampled_from(_seeds("parameter", seeds)), _TEXTS)
        return st.dictionaries(names, _one(entry["value"], seeds, depth), max_size=3)
    one = _one(field, seeds, depth)
    if not field.is_repeated:
        return one
    few = st.lists(one, max_size=3)
    return st.one_of(few, few, few, few, few, st.builds(_many, one))


def _many(item: Any) -> list[Any]:
    return [item] * (20 if isinstance(item, str | bytes) and len(item) > 100 else 1_001)


def _one(field: FieldDescriptor, seeds: Seeds, depth: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return messages(field.message_type, seeds, depth + 1)
    match field.type:
        case FieldDescriptor.TYPE_STRING:
            likely = st.sampled_from(_seeds(field.name, seeds))
            return st.one_of(likely, likely, _TEXTS, _TEXTS, st.one_of(_TEXTS, _TEXTS, _RARE))
        case FieldDescriptor.TYPE_BYTES:
            return st.one_of(st.binary(max_size=40), st.binary(min_size=32, max_size=32))
        case FieldDescriptor.TYPE_BOOL:
            return st.booleans()
        case FieldDescriptor.TYPE_ENUM:
            known = [value.number for value in field.enum_type.values]
            return st.sampled_from([*known, -1, len(known), 2**31 - 1, -(2**31)])
        case FieldDescriptor.TYPE_DOUBLE | FieldDescriptor.TYPE_FLOAT:
            return st.floats()
        case kind:
            lowest, highest = _WHOLE[kind]
            edges = st.sampled_from([0, 1, 2, 5, -1, 1_000, 1_001, lowest, highest])
            return edges.map(lambda number: max(lowest, number))


def _seeds(name: str, seeds: Seeds) -> list[Any]:
    """All that means something in any field of that name."""
    found = [item for key, told in seeds.items() if key.rpartition(".")[2] == name for item in told]
    return [item for item in found if isinstance(item, str)] or [""]


def _values(made: type[Any]) -> st.SearchStrategy[Any]:
    plain = st.one_of(
        st.just(made()),
        st.builds(lambda: made(null_value="NULL_VALUE")),
        st.builds(lambda told: made(bool_value=told), st.booleans()),
        st.builds(
            lambda told: made(int64_value=told), st.sampled_from([0, 7, -(2**63), 2**63 - 1])
        ),
        st.builds(lambda told: made(double_value=told), st.floats()),
        st.builds(lambda told: made(string_value=told), _TEXTS),
        st.builds(lambda told: made(decimal_value={"value": told}), _DECIMALS),
    )
    return st.one_of(plain, st.builds(lambda item, deep: _nested(made, item, deep), plain, _DEPTHS))


_DEPTHS = st.sampled_from([1, 2, 10, 30])
_DECIMALS = st.one_of(
    st.sampled_from(["1.5", "NaN", "1e999999999", "", "x"]), st.just(5_000).map("9".__mul__)
)


def _nested(made: type[Any], item: Any, deep: int) -> Any:
    for level in range(deep):
        if level % 2:
            item = made(map_value={"values": {"a": item}})
        else:
            item = made(list_value={"values": [item, item] if deep < 3 else [item]})
    return item


def garbled(raw: bytes) -> st.SearchStrategy[bytes]:
    """The bytes of a message with something wrong."""
    places = st.integers(0, max(0, len(raw) - 1))
    changed = st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=4).map(
        lambda changes: _changed(raw, changes)
    )
    return st.one_of(
        changed,
        places.map(lambda place: raw[:place]),
        st.binary(max_size=8).map(lambda more: raw + more),
        st.just(raw.replace(b"a", b"\xff").replace(b"e", b"\xc0")),
    )


def _changed(raw: bytes, changes: Sequence[tuple[int, int]]) -> bytes:
    mutable = bytearray(raw)
    for place, value in changes:
        if mutable:
            mutable[place] = value
    return bytes(mutable)
