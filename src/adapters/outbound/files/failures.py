"""What the operating system and the decompressors say, as typed errors."""

from __future__ import annotations

import errno

from ....domain.errors import Category, SourceError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
_PASSING = frozenset({errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY})


def unreadable(error: OSError, name: str) -> SourceError:
    """The typed form of a failure to open or read the file ``name``."""
    if isinstance(error, FileNotFoundError):
        return SourceError(
            f"there is no file {name}", hint="check the path and the working folder", cause=error
        )
    if isinstance(error, IsADirectoryError):
        return SourceError(
            f"{name} is a folder", hint=f"name the files in it, as in {name}/*.csv", cause=error
        )
    if isinstance(error, PermissionError):
        return SourceError(
            f"{name} may not be read",
            category=Category.PERMISSION,
            hint="let the user that runs this process read it",
            cause=error,
        )
    category, hint = Category.SOURCE, "check the file and the disk it is on"
    if error.errno in _FULL:
        category, hint = Category.RESOURCE, "free disk space, memory or file handles"
    elif error.errno in _PASSING:
        category, hint = Category.TRANSIENT, "try again; check the disk or the network share"
    reason = error.strerror or str(error) or type(error).__name__
    return SourceError(
        f"{name} cannot be read: {reason}", category=category, hint=hint, cause=error
    )


def damaged(name: str, what: str, position: int, cause: BaseException | None = None) -> SourceError:
    """A compressed file that breaks off or does not decompress, after ``position`` good bytes."""
    return SourceError(
        f"{name} {what}, after {position:,} uncompressed bytes",
        hint="fetch the file again and compare its size with the sender's",
        cause=cause,
        metadata={"file": name, "position": position},
    )


def undecodable_hint(encoding: str) -> str:
    """What to try when text is not in ``encoding``."""
    return f"it is not {encoding}; give its encoding, e.g. encoding=cp1252 or encoding=latin-1"
