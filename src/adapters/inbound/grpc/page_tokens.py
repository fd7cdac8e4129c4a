"""Page tokens: where the next page begins, sealed so that it fits one listing only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json

from ....domain.errors import ValidationError
from .resource_names import invalid_field

_SEAL_BYTES = 16


class PageTokens:
    """Makes and opens the page tokens of one method.

    A token is the id of the last item that was sent, with an HMAC-SHA256 (128 bits) over method,
    filters and id. Servers that share ``key`` accept each other's tokens.
    """

    def __init__(self, method: str, key: bytes) -> None:
        self._method = method
        self._key = key

    def issue(self, last_id: str, filters: tuple[object, ...]) -> str:
        """The token for what follows ``last_id`` in the listing that ``filters`` describe."""
        item = last_id.encode()
        token = self._seal(item, filters) + item
        return base64.urlsafe_b64encode(token).decode().rstrip("=")

    def open(self, token: str, filters: tuple[object, ...]) -> str | None:
        """The id to continue after; None for the empty token.

        Raises a ValidationError for a token that was not issued for this listing.
        """
        if not token:
            return None
        try:
            sealed = base64.b64decode(
                token + "=" * (-len(token) % 4), altchars=b"-_", validate=True
            )
            last_id = sealed[_SEAL_BYTES:].decode()
        except (binascii.Error, ValueError):
            raise _refused() from None
        # The whole text is compared, not only the seal: base64 has several spellings of one value.
        if not hmac.compare_digest(self.issue(last_id, filters).encode(), token.encode()):
            raise _refused()
        return last_id

    def _seal(self, item: bytes, filters: tuple[object, ...]) -> bytes:
        bound = json.dumps([self._method, *filters]).encode()
        message = len(bound).to_bytes(4, "big") + bound + item
        return hmac.digest(self._key, message, hashlib.sha256)[:_SEAL_BYTES]


def _refused() -> ValidationError:
    return invalid_field(
        "page_token",
        "page_token was not issued for this request",
        hint="pass next_page_token unchanged and with the same filters, or begin again without it",
    )
