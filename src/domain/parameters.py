"""Typed, documented parameters: what a pipeline accepts, and what was wrong with what it got."""

from __future__ import annotations

import difflib
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import Enum
from pathlib import PurePath
from typing import Any, Literal, Union, get_args, get_origin

from .errors import ConfigurationError, ValidationError
from .redaction import MASK

_CALLED_FILES = frozenset(
    {"file", "files", "filename", "path", "paths", "folder", "folders", "directory"}
)


class Required(Enum):
    """Marks a parameter that has no default."""

    REQUIRED = "REQUIRED"


REQUIRED: Any = Required.REQUIRED


@dataclass(frozen=True, slots=True)
class Param:
    """Documentation of one parameter, written in its annotation.

    ``week: Annotated[date | None, Param("Monday of the week", example="2025-11-10")]``.
    The value of a ``secret`` parameter is never stored or shown. A ``file`` is the path of a file
    or folder: who asks from elsewhere may only name those that the operator has opened to them.
    Unless it is said, a parameter is one when its type is Path, or when it is called as one, such
    as "file" or "folder".
    """

    description: str = ""
    example: str | None = None
    secret: bool = False
    file: bool | None = None


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """One declared parameter: its type as written in the signature, default and documentation."""

    name: str
    annotation: Any
    default: Any = REQUIRED
    doc: Param = Param()

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    @property
    def is_file(self) -> bool:
        """Whether a value is the path of a file or folder, or a list of them."""
        if self.doc.file is not None:
            return self.doc.file
        return self.name in _CALLED_FILES or _holds_path(self.annotation)

    @property
    def expected(self) -> str:
        """What a value has to look like, in words."""
        return _describe(self.annotation)

    def parse(self, value: Any) -> Any:
        """``value`` as the declared type; raises ValueError when it is not one."""
        try:
            return _convert(self.annotation, value)
        except TypeError as error:
            raise ValueError(str(error)) from error


def parse_parameters(
    specs: tuple[ParameterSpec, ...], given: Mapping[str, Any], *, pipeline: str
) -> dict[str, Any]:
    """Typed values for all declared parameters.

    Text is converted to the declared type, typed values are checked. Raises one ValidationError
    that names every missing, unknown or wrong parameter with what was expected.
    """
    known = {spec.name: spec for spec in specs}
    problems: dict[str, str] = {}
    values: dict[str, Any] = {}
    for name in given:
        if name not in known:
            problems[name] = _unknown(name, known)
    for spec in specs:
        if spec.name in given:
            try:
                values[spec.name] = spec.parse(given[spec.name])
            except ValueError:
                shown = MASK if spec.doc.secret else repr(given[spec.name])
                problems[spec.name] = f"{shown} is not {spec.expected}"
        elif spec.required:
            problems[spec.name] = f"is missing; expected {spec.expected}{_about(spec)}"
        else:
            values[spec.name] = spec.default
    if problems:
        listed = "; ".join(f"{name} {what}" for name, what in problems.items())
        raise ValidationError(
            f"wrong parameters for {pipeline}: {listed}",
            hint=f"spine pipelines show {pipeline} lists what it accepts",
            metadata={"parameters": problems},
        )
    return values


def stored_parameters(
    specs: tuple[ParameterSpec, ...], values: Mapping[str, Any]
) -> dict[str, Any]:
    """Values as plain JSON for the run history, secrets masked, unset ones left out.

    What only says where a secret is kept (``env:NAME``, ``file:PATH``) is none itself.
    """
    secret = {spec.name for spec in specs if spec.doc.secret}
    return {
        name: MASK if name in secret and not refers_to_secret(value) else plain(value)
        for name, value in values.items()
        if value is not None
    }


def refers_to_secret(value: Any) -> bool:
    """Whether the value of a secret parameter is the place of the secret, not the secret."""
    return isinstance(value, str) and value.startswith(("env:", "file:"))


def _unknown(name: str, known: Mapping[str, ParameterSpec]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"is no parameter; did you mean {close[0]!r}?"
    return f"is no parameter; expected one of {', '.join(known) or '(none)'}"


def _about(spec: ParameterSpec) -> str:
    text = f" ({spec.doc.description})" if spec.doc.description else ""
    return text + (f", for example {spec.name}={spec.doc.example}" if spec.doc.example else "")


def _parse_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in ("true", "yes", "1", "on"):
        return True
    if word in ("false", "no", "0", "off"):
        return False
    raise ValueError(value)


def _parse_int(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(value)
    return int(value)


def _parse_decimal(value: Any) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError(value) from error
    if not number.is_finite():
        raise ValueError(value)
    return number


def _parse_date(value: Any) -> date:
    if isinstance(value, datetime):
        raise ValueError(value)  # noqa: TRY004  # the caller asks for ValueError alone
    return value if isinstance(value, date) else date.fromisoformat(str(value))


def parse_timestamp(value: Any) -> datetime:
    """A UTC timestamp from ISO text; a bare date means its end, a naive time means UTC.

    The end of the day, because "as of 2025-12-16" asks for all that was known on that day.
    """
    if isinstance(value, datetime):
        moment = value
    else:
        moment = datetime.fromisoformat(str(value))
        if _is_date(str(value)):
            return datetime.combine(moment.date(), time.max, tzinfo=UTC)
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(value) from error


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _parse_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(value)  # noqa: TRY004  # the caller asks for ValueError alone
    return value


_SCALARS: dict[Any, tuple[Callable[[Any], Any], str]] = {
    Any: (lambda value: value, "any value"),
    str: (_parse_text, "text"),
    bool: (_parse_bool, "true or false"),
    int: (_parse_int, "a whole number"),
    float: (float, "a number"),
    Decimal: (_parse_decimal, "a decimal number"),
    date: (_parse_date, "a date (YYYY-MM-DD)"),
    datetime: (parse_timestamp, "a timestamp (ISO 8601)"),
}


def _convert(annotation: Any, value: Any) -> Any:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _convert_union(args, value)
    if origin is Literal:
        if value in args:
            return value
        raise ValueError(value)
    if origin in (list, tuple):
        items = value.split(",") if isinstance(value, str) else list(value)
        return origin(_convert(args[0], item) for item in items)
    if annotation in _SCALARS:
        return _SCALARS[annotation][0](value)
    if isinstance(annotation, type) and issubclass(annotation, Enum | PurePath):
        return annotation(value)
    raise ConfigurationError(f"parameters of type {annotation!r} are not supported")


def _convert_union(members: tuple[Any, ...], value: Any) -> Any:
    if value is None and type(None) in members:
        return None
    for member in members:
        if member is not type(None):
            try:
                return _convert(member, value)
            except (ValueError, TypeError):
                continue
    raise ValueError(value)


def _describe(annotation: Any) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(_describe(item) for item in args if item is not type(None))
    if origin is Literal:
        return "one of " + ", ".join(str(item) for item in args)
    if origin in (list, tuple):
        return f"a comma-separated list, each {_describe(args[0])}"
    if annotation in _SCALARS:
        return _SCALARS[annotation][1]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "one of " + ", ".join(str(item.value) for item in annotation)
    return "a path" if _is_path(annotation) else str(annotation)


def _is_path(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, PurePath)


def _holds_path(annotation: Any) -> bool:
    return _is_path(annotation) or any(_holds_path(item) for item in get_args(annotation))


def plain(value: Any) -> Any:
    """``value`` as JSON has it, as far as parameters go; from it the declared type comes back."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Decimal | PurePath):
        return str(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    return value
