"""What a run leaves behind: plain values only, and no value of a secret parameter among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..domain.errors import SpineError
from ..domain.parameters import ParameterSpec
from ..domain.redaction import MASK, redact
from ..domain.result import Result

_SHORTEST = 4  # masking every "a" would hide what happened, and protect nothing


@dataclass(frozen=True, slots=True)
class Masking:
    """Masks the given texts wherever they occur, and what looks like a secret anyway."""

    secrets: tuple[str, ...] = ()

    @classmethod
    def of(cls, specs: Iterable[ParameterSpec], values: Mapping[str, Any]) -> Masking:
        """For the values of the secret ones among the parameters."""
        found = (values.get(spec.name) for spec in specs if spec.doc.secret)
        return cls().also(found)

    def also(self, values: Iterable[Any]) -> Masking:
        """Masks the texts of ``values`` as well."""
        texts = {str(leaf) for value in values for leaf in _leaves(value)}
        long = {text for text in texts if len(text) >= _SHORTEST}
        # Longest first: one secret may begin with another.
        return Masking(tuple(sorted(long | set(self.secrets), key=len, reverse=True)))

    def text(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        return redact(text)

    def result(self, result: Result[Any]) -> Result[Any]:
        """The same envelope, its error, metrics and warnings fit to be stored and shown."""
        if result.error is None and not result.metrics and not result.warnings:
            return result
        return replace(
            result,
            error=None if result.error is None else self._error(result.error),
            metrics=self.plain(result.metrics),
            warnings=tuple(self.text(str(text)) for text in result.warnings),
        )

    def _error(self, error: SpineError) -> SpineError:
        told = error.to_dict()
        masked = self.plain(told)
        return error if masked == told else SpineError.from_dict(masked)

    def plain(self, value: Any) -> Any:
        """A JSON value with all its texts masked."""
        if isinstance(value, Mapping):
            return {self.text(str(name)): self.plain(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.plain(item) for item in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self.text(str(value))


def _leaves(value: Any) -> Iterator[Any]:
    """The single values inside lists and mappings."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _leaves(item)
    elif value is not None and not isinstance(value, bool):
        yield value
