"""Take a file that somebody brings, and submit the pipeline that captures it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..domain.errors import Category, SpineError, ValidationError
from ..domain.runs import Run
from ..ports.files import FileDrop, IncomingFile
from .opened_files import OpenedFiles
from .submissions import Submission
from .submit_run import SubmitRun

_LONGEST_NAME = 200
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class Announced:
    """What comes, and what is to be done with it.

    ``digest`` is the SHA-256 of ``size`` bytes. ``parameter`` of the pipeline gets the file's path.
    """

    name: str
    size: int
    digest: bytes
    pipeline: str
    parameter: str = "file"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    request: str | None = None
    force: bool = False


@dataclass(slots=True)
class Bringing:
    """One file on its way. Leave it by :meth:`finish` or :meth:`give_up`."""

    announced: Announced
    _submit: SubmitRun
    _incoming: IncomingFile
    _digest: Any = field(default_factory=hashlib.sha256)
    size: int = 0

    def write(self, piece: bytes) -> None:
        """Take the next bytes; raises a ValidationError when they are more than announced."""
        self.size += len(piece)
        if self.size > self.announced.size:
            raise _differs("size", f"more than {self.announced.size:,} bytes came")
        self._digest.update(piece)
        self._incoming.write(piece)

    def finish(self) -> Run:
        """The run that captures it, queued; raises a ValidationError for another content."""
        announced = self.announced
        if self.size != announced.size:
            raise _differs("size", f"{self.size:,} of {announced.size:,} bytes came")
        if self._digest.digest() != announced.digest:
            raise _differs("sha256", f"the bytes have the digest {self._digest.hexdigest()}")
        path = self._incoming.keep(announced.digest.hex(), announced.name)
        return self._submit(
            Submission(
                announced.pipeline,
                {**announced.parameters, announced.parameter: str(path)},
                force=announced.force,
                request=announced.request,
            )
        )

    def give_up(self) -> None:
        """Forget what came, unless it was kept."""
        self._incoming.discard()


@dataclass(frozen=True, slots=True)
class BringFile:
    """Takes files of at most ``most_bytes``."""

    submit: SubmitRun
    files: OpenedFiles
    drop: FileDrop
    most_bytes: int

    def sweep(self) -> int:
        """Remove what was brought long ago, or not to its end; how many files those were."""
        return self.drop.sweep()

    def __call__(self, announced: Announced) -> Bringing:
        """Begin to take a file; nothing is submitted before all of it is there.

        Raises a ValidationError for a name, size or digest that cannot be and for an unknown
        pipeline or parameter, and a SpineError of category RESOURCE for a file that is too large.
        """
        _check(announced)
        if announced.size > self.most_bytes:
            raise SpineError(
                f"{announced.name} has {announced.size:,} bytes, more than {self.most_bytes:,}",
                category=Category.RESOURCE,
                retryable=False,
                hint="SPINE_UPLOAD_LIMIT allows more; or put it below a file root of the server",
            )
        catalog = self.files.catalog
        if catalog.workflows.find(announced.pipeline) is None:
            catalog.pipeline(announced.pipeline)
        taking = catalog.file_inputs(announced.pipeline)
        if announced.parameter not in taking:
            raise ValidationError(
                f"{announced.parameter} is no parameter of {announced.pipeline} that takes a file",
                hint=f"these do: {', '.join(sorted(taking)) or 'none'}",
                metadata={"field": "header.file_parameter"},
            )
        parameters = self.files.checked(
            announced.pipeline, announced.parameters, place="header.parameters"
        )
        given = replace(announced, parameters=parameters)
        return Bringing(given, self.submit, self.drop.begin())


def _check(announced: Announced) -> None:
    name = announced.name
    plain = name.isprintable() and not set(name) & set('/\\:*?"<>|') and not name.startswith(".")
    if not name or not plain or len(name.encode()) > _LONGEST_NAME:
        raise ValidationError(
            f"{name[:_LONGEST_NAME]!r} is no name for a file that is brought",
            hint=f"give a plain name without a folder, at most {_LONGEST_NAME} bytes",
            metadata={"field": "header.file_name"},
        )
    if announced.size < 0 or len(announced.digest) != _DIGEST_BYTES:
        wrong = "size" if announced.size < 0 else "sha256"
        raise ValidationError(
            f"the {wrong} of {name} cannot be",
            hint=f"give its number of bytes, and its SHA-256 as {_DIGEST_BYTES} bytes",
            metadata={"field": f"header.{wrong}"},
        )


def _differs(what: str, message: str) -> ValidationError:
    return ValidationError(
        f"this is not the file that was announced: {message}",
        hint="bring it again; nothing was kept of it",
        metadata={"field": f"header.{what}"},
    )
