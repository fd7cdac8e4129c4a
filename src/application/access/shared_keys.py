"""Keys that every process on a store uses: what one has sealed, each of the others can open."""

from __future__ import annotations

from dataclasses import dataclass

from ...ports.identity import Unguessable
from ...ports.storage import Store
from ..unit_attempts import typed_errors, undisturbed

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class SharedKeys:
    """Gives the key of a name, which is made when it is first asked for and then stays."""

    store: Store
    secrets: Unguessable

    def __call__(self, name: str) -> bytes:
        """32 bytes, for every process on the store the same."""
        proposed = self.secrets.draw(KEY_BYTES)
        with typed_errors(f"reading the key {name}"):
            return undisturbed(lambda: self._kept(name, proposed))

    def _kept(self, name: str, proposed: bytes) -> bytes:
        with self.store.write() as unit:
            key = unit.access.shared_key(name, proposed)
            unit.commit()
        return key
