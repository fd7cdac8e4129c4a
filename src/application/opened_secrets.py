"""Which secrets somebody who asks from elsewhere may refer to in parameters."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from ..domain.errors import Category, SpineError, ValidationError
from ..domain.parameters import refers_to_secret
from ..ports.files import FileRoots

OWN = "SPINE_"
"""What the names of this software's own settings begin with: the password of its database, say."""


@dataclass(frozen=True, slots=True)
class OpenedSecrets:
    """Holds references to secrets to what the operator has opened.

    The worker that resolves ``env:NAME`` and ``file:PATH`` may read much that the caller may not.
    ``names`` are patterns for variables of the environment, as a shell knows them; the settings of
    this software are never opened. Files lie below ``roots``.
    """

    roots: FileRoots
    names: tuple[str, ...] = ("*",)

    def check(self, value: str, *, place: str) -> None:
        """Raise a SpineError of category PERMISSION for a reference to what is not opened.

        Or a ValidationError, for a file that is not there. Each names the field ``place``. What is
        no reference is let pass.
        """
        if not refers_to_secret(value):
            return
        kind, _, name = value.partition(":")
        if kind == "file":
            self._check_file(name, place)
        elif name.upper().startswith(OWN) or not any(fnmatchcase(name, n) for n in self.names):
            raise _refused(
                value,
                f"SPINE_SECRET_NAMES of the server says which are: {', '.join(self.names)}, but "
                f"none that begins with {OWN}",
                place,
            )

    def _check_file(self, path: str, place: str) -> None:
        try:
            found = self.roots.opened(path) if path.startswith("/") else None
        except ValidationError as error:
            raise ValidationError(
                error.message, hint=error.hint, metadata={"field": place}
            ) from error
        if found is None:
            folders = ", ".join(str(folder) for folder in self.roots.folders)
            raise _refused(
                f"file:{path}",
                f"give the whole path of a file below {folders}; SPINE_SECRET_ROOTS of the server "
                "names more",
                place,
            )


def _refused(reference: str, hint: str, place: str) -> SpineError:
    return SpineError(
        f"{reference} is no secret that is opened to those who ask from elsewhere",
        category=Category.PERMISSION,
        hint=hint,
        metadata={"field": place},
    )
