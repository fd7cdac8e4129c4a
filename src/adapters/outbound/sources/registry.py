"""Sources by the name of their type."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ....domain.errors import ValidationError
from ....domain.registry import Registry
from ....ports.sources import Source, SourceType


class SourceRegistry:
    """Opens sources by type. ``provided`` options go to every factory that takes them.

    What is provided, a clock for example, belongs to the program: users neither see nor set it.
    """

    def __init__(
        self, types: Iterable[SourceType] = (), *, provided: Mapping[str, Any] | None = None
    ) -> None:
        self._types: Registry[SourceType] = Registry("source type")
        self._provided = dict(provided or {})
        for type_ in types:
            self.add(type_)

    def add(self, type: SourceType) -> SourceType:
        """Register a type; raises a ConfigurationError when another has its name."""
        return self._types.add(type)

    def open(self, type: str, **options: Any) -> Source:
        """The source of that type.

        Raises a ValidationError that names an unknown type, or an option that is unknown or
        missing, with what there is to choose from.
        """
        found = self._types.get(type)
        accepted = inspect.signature(found.factory).parameters
        self._check(found, accepted, options)
        given = {name: value for name, value in self._provided.items() if name in accepted}
        return found.factory(**given, **options)

    def __iter__(self) -> Iterator[SourceType]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)

    def _check(
        self,
        type_: SourceType,
        accepted: Mapping[str, inspect.Parameter],
        options: Mapping[str, Any],
    ) -> None:
        named = {
            name: parameter
            for name, parameter in accepted.items()
            if name not in self._provided
            and parameter.kind in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}
        }
        open_ended = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
        for name in options:
            if name in self._provided or (name not in named and not open_ended):
                close = difflib.get_close_matches(name, named, n=1)
                raise ValidationError(
                    f"source type {type_.name} takes no option {name!r}",
                    hint=f"did you mean {close[0]}?" if close else f"it takes {_listed(named)}",
                )
        missing = [
            name
            for name, parameter in named.items()
            if parameter.default is parameter.empty and name not in options
        ]
        if missing:
            raise ValidationError(
                f"source type {type_.name} needs the option {', '.join(missing)}",
                hint=f"it takes {_listed(named)}",
            )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
