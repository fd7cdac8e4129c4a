"""Tokens that were found a moment ago, so that not every call asks the database."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from ...domain.access import AccessToken

SECONDS_KEPT = 5.0
"""How long a token that was revoked may still be accepted by a server that has just used it."""
MOST_KEPT = 1_000


class TokenCache:
    """Valid tokens by the digest of their text, for some seconds. For many threads.

    What was not found is never kept: whoever calls with invented tokens fills no memory.
    """

    def __init__(self, seconds: float = SECONDS_KEPT, most: int = MOST_KEPT) -> None:
        self._seconds = seconds
        self._most = most
        self._lock = Lock()
        self._kept: OrderedDict[str, tuple[float, AccessToken]] = OrderedDict()

    def get(self, digest: str, now: float) -> AccessToken | None:
        """The token, if it was asked for recently enough; ``now`` in seconds."""
        with self._lock:
            asked, token = self._kept.get(digest, (now, None))
            if token is not None and now - asked >= self._seconds:
                del self._kept[digest]
                return None
            return token

    def keep(self, digest: str, token: AccessToken, asked: float) -> None:
        """Keep what the store told; ``asked`` is when, in seconds: before it was asked."""
        with self._lock:
            self._kept[digest] = (asked, token)
            self._kept.move_to_end(digest)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)
