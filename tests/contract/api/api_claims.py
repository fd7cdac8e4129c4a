"""What tests say that they cover: methods of the API, and the codes with which they end."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from api_calls import METHODS

covers = pytest.mark.covers
"""``@covers("RunService.GetRun", "OK", "NOT_FOUND")``: fails where the test has not seen them."""


def claims_of(item: pytest.Item) -> set[tuple[str, str]]:
    """What a test covers."""
    return set(_claims(item.iter_markers("covers")))


def all_claims() -> set[tuple[str, str]]:
    """What all tests of this folder cover, whichever of them are run."""
    found: set[tuple[str, str]] = set()
    for file in sorted(Path(__file__).parent.glob("test_*.py")):
        module = importlib.import_module(file.stem)
        for name, item in vars(module).items():
            if name.startswith("test_"):
                found.update(_claims(_marks(getattr(item, "pytestmark", []))))
    return found


def _marks(marks: Iterable[Any]) -> Iterator[Any]:
    for mark in marks:
        if mark.name == "covers":
            yield mark
        elif mark.name == "parametrize":
            for case in mark.args[1]:
                yield from _marks(getattr(case, "marks", ()))


def _claims(marks: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for mark in marks:
        method, *codes = mark.args
        assert method in METHODS, f"there is no method {method}"
        for code in codes or ("OK",):
            yield method, code
