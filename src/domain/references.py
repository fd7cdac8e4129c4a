"""What the steps of a workflow say of each other: references to values, and conditions on them.

``${name}`` is a parameter of the workflow, ``${steps.NAME}`` what a step returned,
``${steps.NAME.field}`` a part of that, and ``${item}`` the item of a list that a step is done for.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .errors import ConfigurationError, ValidationError

_REFERENCE = re.compile(r"\$\{([^{}]+)\}")
_CONDITION = re.compile(
    r"\s*(?P<negated>not\s+)?(?P<reference>\$\{[^{}]+\})"
    r"(?:\s*(?P<operator>==|!=|<=|>=|<|>|in)\s*(?P<value>.+?))?\s*"
)
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda found, values: found in values,
}


class Origin(Enum):
    """Where the value of a reference comes from."""

    INPUT = "INPUT"
    STEP = "STEP"
    ITEM = "ITEM"


@dataclass(frozen=True, slots=True)
class Reference:
    """``${...}``, taken apart; ``name`` is that of the input or step, ``path`` leads into it."""

    origin: Origin
    name: str
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """What references can see: inputs, what steps returned (asked for by name), and the item."""

    inputs: Mapping[str, Any]
    output: Callable[[str], Any]
    item: Any = None

    def resolve(self, value: Any) -> Any:
        """What ``value`` stands for; itself when it is no reference.

        Raises a ValidationError for a part that is not there.
        """
        found = reference(value)
        if found is None:
            return value
        if found.origin is Origin.INPUT:
            # An optional parameter that was not given is left out of what is stored.
            return self.inputs.get(found.name)
        whole = self.item if found.origin is Origin.ITEM else self.output(found.name)
        for number, part in enumerate(found.path):
            if not isinstance(whole, Mapping) or part not in whole:
                place = ".".join((found.name, *found.path[:number]))
                raise ValidationError(
                    f"{value} asks for {part!r}, which {place} does not have",
                    hint=_there(whole, returned=found.origin is Origin.STEP and not number),
                )
            whole = whole[part]
        return whole


def _there(whole: Any, *, returned: bool) -> str:
    if whole is None and returned:
        return "it returned nothing, or what is no JSON value: its own warnings tell"
    names = ", ".join(map(str, whole)) if isinstance(whole, Mapping) else "no fields"
    return f"it has {names}"


def reference(value: Any) -> Reference | None:
    """The reference that ``value`` is, or None for a value that stands for itself."""
    match = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    first, *rest = match[1].split(".")
    if first == "item":
        return Reference(Origin.ITEM, first, tuple(rest))
    if first == "steps" and rest:
        return Reference(Origin.STEP, rest[0], tuple(rest[1:]))
    return Reference(Origin.INPUT, match[1])


@dataclass(frozen=True, slots=True)
class Condition:
    """``${steps.count.rows} > 0``, taken apart.

    Without an operator it asks whether the value is anything at all: not null, false, 0 or empty.
    """

    text: str
    asked: str
    negated: bool
    operator: str | None
    value: Any

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Raises a ConfigurationError for a text that is no condition."""
        match = _CONDITION.fullmatch(text)
        if match is None:
            raise _no_condition(text)
        value = None
        if match["operator"]:
            try:
                value = json.loads(match["value"])
            except ValueError as error:
                raise _no_condition(text) from error
        return cls(text, match["reference"], bool(match["negated"]), match["operator"], value)

    def holds(self, scope: Scope) -> bool:
        """Raises a ValidationError when the value is not there, or cannot be compared."""
        found = scope.resolve(self.asked)
        try:
            held = _OPERATORS[self.operator](found, self.value) if self.operator else bool(found)
        except TypeError as error:
            raise ValidationError(
                f"the condition {self.text!r} cannot be decided for {found!r}: {error}",
                hint="compare values of one kind",
                cause=error,
            ) from error
        return bool(held) is not self.negated


def _no_condition(text: str) -> ConfigurationError:
    return ConfigurationError(
        f"{text!r} is no condition",
        hint='write it like "${steps.count.rows} > 0" or "not ${steps.check.changed}", '
        "with a JSON value on the right",
    )
