"""Calling the methods of a server: deadlines, repeats, lists in pages, failures as typed errors."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf.message import Message

from ..domain.errors import ConfigurationError, SpineError, ValidationError
from .accepting import limit_of
from .channel import files_of, is_repeatable, open_channel
from .repeats import Repeats
from .statuses import error_of_call
from .target import Credentials, Target

PAGE_SIZE = 1_000
"""Items of one page when all are wanted: the most that a server gives."""

LONG = 600.0
"""Seconds for calls that may take long by their nature, such as reading a whole dataset."""

M = TypeVar("M", bound=Message)
T = TypeVar("T")

_PACKAGE = "/market_spine.v1."


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a list; ``next_token`` asks for those that follow, empty at the end."""

    items: Sequence[T]
    next_token: str


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A list that a server gives in pages: the method, its answer's type and field, the decoder.

    The decoder answers None for an item that this version does not know, which is left out.
    """

    method: str
    answer: type[Message]
    field: str
    decode: Callable[[Any], T | None]


class Calls:
    """Calls over one channel, which is opened for the first of them. Safe to share by threads."""

    def __init__(self, target: Target, credentials: Credentials, timeout: float) -> None:
        """Raises a ConfigurationError for files of credentials that cannot be used."""
        files_of(credentials)
        self._target = target
        self._credentials = credentials
        self._timeout = timeout
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._closed = threading.Event()
        token = credentials.token
        self._metadata = () if token is None else (("authorization", f"Bearer {token}"),)

    def close(self) -> None:
        """End the connection, and all calls that are under way."""
        with self._lock:
            self._closed.set()
            if self._channel is not None:
                self._channel.close()
                self._channel = None

    def unary(
        self, method: str, request: Message, answer: type[M], timeout: float | None = None
    ) -> M:
        """The answer of a method, named as in ``RunService/GetRun``, or by its whole path.

        A method that does no more when it is called twice is called again while the server is
        away; ``timeout`` is for all attempts together.
        """
        repeats = self._repeats(timeout)
        while True:
            call = self._open().unary_unary(_path(method), _serialized, answer.FromString)
            try:
                found: M = call(request, timeout=repeats.left, metadata=self._metadata)
            except grpc.RpcError as error:
                failure = error_of_call(error, method, self._target.address)
                again = _is_away(error, failure) and is_repeatable(_path(method))
                if not (again and repeats.wait(failure)):
                    raise failure from error
            else:
                return found

    def stream(
        self,
        method: str,
        request: Message,
        answer: type[M],
        timeout: float | None = None,
        *,
        begin_again: bool = False,
    ) -> Iterator[M]:
        """The answers of a method that streams them. Leaving the iterator ends the call.

        With ``begin_again`` it is called again while the server is away, as long as nothing has
        arrived; what comes after is for the reader to decide, who knows what it has.
        """
        repeats, arrived = self._repeats(timeout), False
        while True:
            call = self._open().unary_stream(_path(method), _serialized, answer.FromString)
            answers = call(request, timeout=repeats.left, metadata=self._metadata)
            try:
                for item in answers:
                    arrived = True
                    yield item
            except grpc.RpcError as error:
                failure = error_of_call(error, method, self._target.address)
                again = begin_again and not arrived and _is_away(error, failure)
                if not (again and repeats.wait(failure)):
                    raise failure from error
            else:
                return
            finally:
                answers.cancel()  # type: ignore[no-untyped-call]  # undeclared in the stubs

    def sending(
        self,
        method: str,
        requests: Iterable[Message],
        answer: type[M],
        timeout: float | None = None,
    ) -> M:
        """The answer of a method that takes a stream of requests."""
        call = self._open().stream_unary(_path(method), _serialized, answer.FromString)
        try:
            found: M = call(iter(requests), timeout=self._seconds(timeout), metadata=self._metadata)
        except grpc.RpcError as error:
            raise error_of_call(error, method, self._target.address) from error
        return found

    def page(
        self,
        listing: Listing[T],
        request: Message,
        size: int,
        token: str,
        timeout: float | None = None,
    ) -> Page[T]:
        """One page of a list; ``request`` says which, without size and token."""
        asked: Any = type(request)()
        asked.CopyFrom(request)
        fill(asked, page_size=size, page_token=token)
        answer: Any = self.unary(listing.method, asked, listing.answer, timeout)
        decoded = (listing.decode(item) for item in getattr(answer, listing.field))
        return Page([item for item in decoded if item is not None], answer.next_page_token)

    def all(
        self,
        listing: Listing[T],
        request: Message,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Iterator[T]:
        """The items of all pages, at most ``limit``; a page is asked for when it is reached.

        Raises a ValidationError at once for a limit that is none.
        """
        return self._items(listing, request, limit_of(limit), timeout)

    def _items(
        self, listing: Listing[T], request: Message, limit: int | None, timeout: float | None
    ) -> Iterator[T]:
        token, left = "", math.inf if limit is None else limit
        while left > 0:
            page = self.page(listing, request, int(min(left, PAGE_SIZE)), token, timeout)
            yield from page.items
            left -= len(page.items)
            token = page.next_token
            if not token:
                return

    def _open(self) -> grpc.Channel:
        with self._lock:
            if self._closed.is_set():
                raise ConfigurationError(
                    f"the client for {self._target.address} is closed",
                    hint="make another one; a client serves until the end of its with block",
                )
            if self._channel is None:
                self._channel = open_channel(self._target, self._credentials)
            return self._channel

    def _repeats(self, timeout: float | None) -> Repeats:
        # Closing the client wakes who waits.
        return Repeats(self._seconds(timeout), self._closed.wait)

    def _seconds(self, timeout: float | None) -> float | None:
        wanted = self._timeout if timeout is None else timeout
        return None if math.isinf(wanted) else wanted


def build(kind: type[M], **fields: Any) -> M:
    """A request of these fields; raises a ValidationError for a value that no field holds."""
    return fill(kind(), **fields)


def fill(message: M, **fields: Any) -> M:
    """The same message with these fields set; those that are None stay absent."""
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        message.MergeFrom(type(message)(**given))
    except (ValueError, TypeError) as error:
        raise ValidationError(
            f"this cannot be sent: {error}", hint="texts have to be Unicode, numbers in range"
        ) from error
    return message


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()


def _is_away(error: grpc.RpcError, failure: SpineError) -> bool:
    """Whether the call may succeed in a moment, because it has reached no server that works."""
    call: Any = error
    return call.code() is grpc.StatusCode.UNAVAILABLE and failure.retryable


def _path(method: str) -> str:
    return method if method.startswith("/") else _PACKAGE + method
