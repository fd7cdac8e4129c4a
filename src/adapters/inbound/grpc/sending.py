"""Sending the messages of a stream, to readers that take them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from ....domain.errors import Category, SpineError

STALL = 60.0
"""Seconds after which a reader that takes nothing is cut off."""


async def send_all(messages: AsyncGenerator[Any, None], context: Any) -> None:
    """Send them one by one, each when the reader has room for it.

    Raises a SpineError of category RATE_LIMIT when it has none for too long.
    """
    async with aclosing(messages) as open_messages:
        async for message in open_messages:
            try:
                async with asyncio.timeout(STALL):
                    await context.write(message)
            except TimeoutError:
                raise SpineError(
                    f"this stream was not read for {STALL:.0f} seconds",
                    category=Category.RATE_LIMIT,
                    retry_after=1.0,
                    hint="go on where it broke off, and read faster",
                ) from None
