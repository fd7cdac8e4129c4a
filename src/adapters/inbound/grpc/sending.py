"""Sending the messages of a stream, to readers that take them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from ....domain.errors import Category, SpineError
from .callers import still_welcome

STALL = 60.0
"""Seconds after which a reader that takes nothing is cut off."""
ASKED_AGAIN = 5.0
"""Seconds after which the next message asks whether the caller still may: tokens are revoked."""


class Recheck:
    """Asks now and then whether the caller of a stream still may; made when that was known."""

    def __init__(self) -> None:
        self._asked = time.monotonic()

    async def __call__(self) -> None:
        """Raise a SpineError of category PERMISSION when it was asked, and may not."""
        if time.monotonic() - self._asked > ASKED_AGAIN:
            await still_welcome()
            self._asked = time.monotonic()


async def send_all(messages: AsyncGenerator[Any, None], context: Any) -> None:
    """Send them one by one, each when the reader has room for it.

    Raises a SpineError of category RATE_LIMIT when it has none for too long, and one of category
    PERMISSION when it is not to hear any more.
    """
    recheck = Recheck()
    async with aclosing(messages) as open_messages:
        async for message in open_messages:
            await recheck()
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
