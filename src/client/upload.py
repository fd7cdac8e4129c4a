"""A file that is brought to a server, piece by piece."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..domain.errors import Category, SourceError, SpineError
from ..domain.runs import Run
from ..v1 import dataset_service_pb2 as pb
from .calls import Calls, build
from .decoding_runs import run_of
from .encoding import value_messages
from .repeats import Repeats
from .runs import new_request_id

_CHUNK = 1024 * 1024 - 64  # a message of a mebibyte, less what is around the bytes
# Sent again it would take as long, or come to a server that has no room yet.
_NOT_AGAIN = (Category.TIMEOUT, Category.RATE_LIMIT, Category.RESOURCE)


@dataclass(frozen=True, slots=True)
class Upload:
    """What is brought, and what is to be done with it."""

    path: Path
    pipeline: str
    parameters: Mapping[str, Any]
    file_name: str | None
    file_parameter: str
    force: bool
    request_id: str | None
    told: Callable[[int], None] | None = None

    def __call__(self, calls: Calls, timeout: float | None) -> Run:
        """The run that captures the file; each attempt may take ``timeout`` seconds."""
        header = self._header()
        repeats = Repeats(None, time.sleep)
        while True:
            try:
                return self._send(calls, header, timeout)
            except SpineError as error:
                again = error.retryable and error.category not in _NOT_AGAIN
                if not (again and repeats.wait(error)):
                    raise

    def _header(self) -> pb.FileHeader:
        size, digest = self._measured()
        return build(
            pb.FileHeader,
            file_name=self.file_name or self.path.name,
            size=size,
            sha256=digest,
            pipeline=self.pipeline,
            file_parameter=self.file_parameter,
            parameters=value_messages(self.parameters),
            request_id=self.request_id or new_request_id(),
            force=self.force,
        )

    def _measured(self) -> tuple[int, bytes]:
        try:
            with self.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").digest()
                return file.tell(), digest
        except OSError as error:
            raise self._unreadable(error) from error

    def _send(self, calls: Calls, header: pb.FileHeader, timeout: float | None) -> Run:
        pieces = _Pieces(self.path, header, self.told)
        method = "DatasetService/UploadFile"
        try:
            return run_of(calls.sending(method, pieces, pb.UploadFileResponse, timeout).run)
        except SpineError as error:
            if pieces.failure is None:
                raise
            # The library ends the call when a piece cannot be read, and does not say why.
            raise self._unreadable(pieces.failure) from error

    def _unreadable(self, error: OSError) -> SourceError:
        return SourceError(
            f"{self.path} cannot be read: {error.strerror or error}",
            hint="give the path of a file that this user may read",
            cause=error,
        )


class _Pieces:
    """The messages of one attempt. ``failure`` is why the file could not be read to its end."""

    def __init__(
        self, path: Path, header: pb.FileHeader, told: Callable[[int], None] | None
    ) -> None:
        self._path = path
        self._header = header
        self._told = told or _nobody
        self.failure: OSError | None = None

    def __iter__(self) -> Iterator[pb.UploadFileRequest]:
        yield pb.UploadFileRequest(header=self._header)
        try:
            with self._path.open("rb") as file:
                sent = 0
                self._told(sent)
                while piece := file.read(_CHUNK):
                    yield pb.UploadFileRequest(chunk=piece)
                    sent += len(piece)
                    self._told(sent)
        except OSError as error:
            self.failure = error
            raise


def _nobody(_sent: int) -> None:
    """Nobody watches."""
