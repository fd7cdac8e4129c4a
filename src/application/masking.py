"""What a run leaves behind: plain values only, and no value of a secret parameter among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
        texts = {str(value) for value in found if value is not None}
        # Longest first: one secret may begin with another.
        return cls(tuple(sorted((t for t in texts if len(t) >= _SHORTEST), key=len, reverse=True)))

    def text(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        return redact(text)

    def result(self, result: Result[Any]) -> Result[Any]:
        """The same envelope, its error, metrics and warnings fit to be stored and shown."""
        return replace(
            result,
            error=None if result.error is None else self._error(result.error),
            metrics=self._plain(result.metrics),
            warnings=tuple(self.text(str(text)) for text in result.warnings),
        )

    def _error(self, error: SpineError) -> SpineError:
        told = error.to_dict()
        plain = self._plain(told)
        return error if plain == told else SpineError.from_dict(plain)

    def _plain(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {self.text(str(name)): self._plain(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._plain(item) for item in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self.text(str(value))
