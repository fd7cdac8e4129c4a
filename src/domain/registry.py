"""Things by name: found, listed, refused when two would share one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from .errors import ConfigurationError, ValidationError


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=Named)


class Registry(Generic[N]):
    """An ordered collection of one kind of named thing. An object, never a module's global."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._items: dict[str, N] = {}

    def add(self, item: N) -> N:
        """Register ``item``; the same object again is harmless, another of its name is refused."""
        present = self._items.get(item.name)
        if present is not None and present is not item:
            raise ConfigurationError(
                f"two {self._kind}s are named {item.name!r}", hint="rename one of them"
            )
        self._items[item.name] = item
        return item

    def get(self, name: str) -> N:
        """The item of that name; raises a ValidationError that suggests the nearest one."""
        try:
            return self._items[name]
        except KeyError:
            raise ValidationError(
                f"there is no {self._kind} named {name!r}",
                hint=self._suggestion(name),
                metadata={"resource": f"{self._kind}s/{name}"},
            ) from None

    def find(self, name: str) -> N | None:
        return self._items.get(name)

    def __iter__(self) -> Iterator[N]:
        return iter(sorted(self._items.values(), key=lambda item: item.name))

    def __len__(self) -> int:
        return len(self._items)

    def _suggestion(self, name: str) -> str:
        close = difflib.get_close_matches(name, self._items, n=3, cutoff=0.4)
        if close:
            return f"did you mean {' or '.join(close)}?"
        return f"known: {', '.join(sorted(self._items)) or 'none'}"
