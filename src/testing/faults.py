"""Let any call of any port fail, one after the other: proof that nothing is left half done.

A :class:`Faults` without a number counts the calls of a use case; then the use case is run again
for each of them, with a ``Faults`` of that number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from io import IOBase
from typing import Any, TypeVar, cast

from ..ports.archive import ArchiveWriter
from ..ports.run_storage import BackfillStore, RunHistory, RunJournal, RunQueue, RunStore
from ..ports.sources import Source
from ..ports.storage import (
    CaptureStore,
    ManifestStore,
    QualityStore,
    RejectStore,
    RowStore,
    UnitOfWork,
)

P = TypeVar("P")

_END = object()


class Moment(StrEnum):
    """When the fault strikes: instead of the call, or when the call has had its effect."""

    BEFORE = "BEFORE"
    AFTER = "AFTER"


Action = Callable[[], object]
"""What happens at the fault: raises an exception, or ends the process."""


class Faults:
    """Counts the calls of the ports it stands before, and lets one of them fail.

    The ``number``-th call (from 1, over all ports together) meets ``action`` at ``moment``; with
    ``lasting`` every later call meets it as well. Without a number all calls pass. ``counts``
    chooses by name which calls count. ``calls`` holds the names of the counted calls so far, such
    as ``store.write.rows.replace``: port, what opened the unit of work, store, method. A context
    that has been entered counts as ``NAME.entered``, each item that an iterator is asked for as
    ``NAME.next``; a file that is handed out is left alone. ``struck`` tells whether the fault was
    met.
    """

    def __init__(
        self,
        number: int | None = None,
        action: Action = lambda: None,
        *,
        moment: Moment = Moment.BEFORE,
        lasting: bool = False,
        counts: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._number = number
        self._action = action
        self._moment = moment
        self._lasting = lasting
        self._counts = counts
        self.calls: list[str] = []
        self.struck = False

    def on(self, port: P, name: str) -> P:
        """``port``, behind the faults; whatever it hands out that is a port stands behind them."""
        return cast("P", _Faulty(port, name, self))

    def heal(self) -> None:
        """Let all calls pass from now on."""
        self._number = None

    def call(self, name: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """``function(...)``, or the fault, when it is this call's turn."""
        if not self._counts(name):
            return function(*args, **kwargs)
        self.calls.append(name)
        if self._due(len(self.calls)) and self._moment is Moment.BEFORE:
            self._strike()
        number = len(self.calls)
        result = function(*args, **kwargs)
        if self._due(number) and self._moment is Moment.AFTER:
            self._strike()
        return result

    def _due(self, number: int) -> bool:
        if self._number is None:
            return False
        return number >= self._number if self._lasting else number == self._number

    def _strike(self) -> None:
        self.struck = True
        self._action()


def raising(error: BaseException) -> Action:
    """An action that raises ``error``."""

    def act() -> None:
        raise error

    return act


class _Faulty:
    """Stands before a port: same attributes, counted calls."""

    def __init__(self, port: object, name: str, faults: Faults) -> None:
        self._port = port
        self._name = name
        self._faults = faults

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(self._port, attribute)
        name = f"{self._name}.{attribute}"
        if not callable(found):
            return self._behind(found, name)

        def called(*args: Any, **kwargs: Any) -> Any:
            result = self._faults.call(name, found, *args, **kwargs)
            return self._behind(result, name)

        return called

    def _behind(self, value: Any, name: str) -> Any:
        if isinstance(value, IOBase):
            return value
        if _is_port(value):
            return _Faulty(value, name, self._faults)
        if isinstance(value, Iterator):
            return self._iterated(value, name)
        if isinstance(value, AbstractContextManager):
            return self._entered(value, name)
        return value

    @contextmanager
    def _entered(self, manager: AbstractContextManager[Any], name: str) -> Iterator[Any]:
        with manager as value:
            # Inside: whoever opened the context has to leave it again.
            self._faults.call(f"{name}.entered", lambda: None)
            yield self._behind(value, name)

    def _iterated(self, items: Iterator[Any], name: str) -> Iterator[Any]:
        while (item := self._faults.call(f"{name}.next", next, items, _END)) is not _END:
            yield item


def _members(protocol: type) -> frozenset[str]:
    return frozenset(name for name in vars(protocol) if not name.startswith("_"))


_HANDED_OUT = tuple(
    map(
        _members,
        (
            UnitOfWork,
            RunStore,
            RunQueue,
            RunJournal,
            RunHistory,
            BackfillStore,
            CaptureStore,
            RowStore,
            RejectStore,
            QualityStore,
            ManifestStore,
            Source,
            ArchiveWriter,
        ),
    )
)
"""What tells the ports that other ports hand out from plain values: their methods."""


def _is_port(value: object) -> bool:
    return any(all(hasattr(value, name) for name in members) for members in _HANDED_OUT)
