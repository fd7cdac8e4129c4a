"""The pools of connections to a server, the same for every server."""

from __future__ import annotations

from typing import Any

from sqlalchemy.pool import NullPool, QueuePool

from .connection_limits import ConnectionLimits
from .dialects import Access


def pool_options(access: Access, limits: ConnectionLimits) -> dict[str, Any]:
    """What ``create_engine`` is told of its pool: none to CREATE, else one within ``limits``."""
    if access is Access.CREATE:
        return {"poolclass": NullPool}
    return {
        "poolclass": QueuePool,
        "pool_size": limits.pool_size,
        "max_overflow": 0,
        "pool_timeout": limits.pool_timeout,
    }
