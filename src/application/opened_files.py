"""Which files and secrets somebody who asks from elsewhere may name in parameters."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..domain.errors import Category, SpineError, ValidationError
from ..domain.secret_places import Within
from ..ports.files import FileRoots
from .catalog import Catalog
from .opened_secrets import OpenedSecrets

_WHOLE: frozenset[Within] = frozenset([None])


@dataclass(frozen=True, slots=True)
class OpenedFiles:
    """Holds parameters to the folders and secrets that the operator has opened.

    ``of_backfills`` names further parameters that are paths, for backfills of some pipelines.
    """

    roots: FileRoots
    catalog: Catalog
    secrets: OpenedSecrets
    of_backfills: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def checked(self, name: str, parameters: Mapping[str, Any], *, place: str) -> dict[str, Any]:
        """The parameters of a pipeline or workflow, each path as it really is.

        Raises a SpineError of category PERMISSION, which names the field of the request below
        ``place``, for a path that is not below one of the folders, and for a secret that is not
        opened; a ValidationError for a path at which there is nothing.
        """
        look = self._looked_at(name, parameters, place)
        if look.gone:
            raise look.gone[0]
        return look.parameters

    def still_opened(self, name: str, parameters: Mapping[str, Any], *, field: str) -> None:
        """Raise as :meth:`checked` does where the parameters of a run are not opened (any more).

        ``field`` of the request names that run. Files that are gone are let pass: what is left to
        do may not need them.
        """
        try:
            self._looked_at(name, parameters, "parameters")
        except SpineError as error:
            raise SpineError(
                error.message,
                category=error.category,
                hint=error.hint,
                metadata={"field": field},
                cause=error,
            ) from error

    def _looked_at(self, name: str, parameters: Mapping[str, Any], place: str) -> _Look:
        paths: dict[str, Collection[Within]] = dict(self.catalog.file_inputs(name))
        paths.update(dict.fromkeys(self.of_backfills.get(name, ()), _WHOLE))
        look = _Look(self.roots, self.secrets)
        for key, value in parameters.items():
            look.at(key, value, paths.get(key, ()), f"{place}.{key}")
        return look


@dataclass(slots=True)
class _Look:
    """All parameters, each path as it really is, and the errors for paths that lead to nothing.

    These wait until all was looked at: a file that is gone hides nothing that is not opened.
    """

    roots: FileRoots
    secrets: OpenedSecrets
    parameters: dict[str, Any] = field(default_factory=dict)
    gone: list[ValidationError] = field(default_factory=list)

    def at(self, key: str, value: Any, paths: Collection[Within], place: str) -> None:
        """Raise a SpineError of category PERMISSION for what is not opened."""
        for text in _texts(value):
            try:
                self.secrets.check(text, place=place)
            except ValidationError as error:
                self.gone.append(error)
        for within in paths:
            value = self._opened_within(value, within or (), place)
        self.parameters[key] = value

    def _opened_within(self, value: Any, within: tuple[str, ...], place: str) -> Any:
        if isinstance(value, list | tuple):
            return [self._opened_within(item, within, place) for item in value]
        if not within:
            return self._opened(value, place)
        first, *rest = within
        if not isinstance(value, Mapping) or first not in value:
            return value
        return {**value, first: self._opened_within(value[first], tuple(rest), place)}

    def _opened(self, value: Any, place: str) -> Any:
        if value is None:
            return None
        if isinstance(value, str) and "," in value:
            # It is taken apart where a list is expected, and is no path where none is.
            return [self._opened(item.strip(), place) for item in value.split(",")]
        try:
            found = self.roots.opened(str(value))
        except ValidationError as error:
            self.gone.append(
                ValidationError(
                    error.message, hint=error.hint, metadata={"field": place}, cause=error
                )
            )
            return value
        if found is None:
            folders = ", ".join(str(item) for item in self.roots.folders)
            raise SpineError(
                f"{value} is not below a folder that is opened to those who ask from elsewhere",
                category=Category.PERMISSION,
                hint=f"these are: {folders or 'none'}; SPINE_FILE_ROOTS of the server names more; "
                "or bring the file, by spine upload or UploadFile",
                metadata={"field": place},
            )
        return found


def _texts(value: Any) -> Iterator[str]:
    """All texts in a value, those of lists that are written with commas as well.

    Any of them may get to a parameter that is a secret: as an item, or by way of another step.
    """
    if isinstance(value, str):
        yield from (item.strip() for item in (value, *value.split(",")))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
