"""Which files and secrets somebody who asks from elsewhere may name in parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..domain.errors import Category, SpineError, ValidationError
from ..ports.files import FileRoots
from .catalog import Catalog
from .opened_secrets import OpenedSecrets


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
        for key in self.catalog.secret_inputs(name) & parameters.keys():
            self.secrets.check(parameters[key], place=f"{place}.{key}")
        paths = self.catalog.file_inputs(name) | set(self.of_backfills.get(name, ()))
        return {
            key: self._opened(value, f"{place}.{key}") if key in paths else value
            for key, value in parameters.items()
        }

    def _opened(self, value: Any, place: str) -> Any:
        if isinstance(value, list | tuple):
            return [self._opened(item, place) for item in value]
        if value is None:
            return None
        try:
            found = self.roots.opened(str(value))
        except ValidationError as error:
            raise ValidationError(
                error.message, hint=error.hint, metadata={"field": place}
            ) from error
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
