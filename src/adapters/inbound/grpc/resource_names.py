"""Names of resources: a collection and an id, as in runs/0198c5e2."""

from __future__ import annotations

import re

from ....domain.errors import ValidationError

_RUN = re.compile(r"runs/(?P<id>[A-Za-z0-9._~-]{1,128})")


def run_name(run_id: str) -> str:
    """The resource name of a run."""
    return f"runs/{run_id}"


def run_id(name: str, *, field: str) -> str:
    """The id in a run's name; raises a ValidationError that names the request's ``field``."""
    found = _RUN.fullmatch(name)
    if found is None:
        raise invalid_field(
            field,
            f"{field} is {name[:100]!r}, which is not the name of a run",
            hint='give it as "runs/" and the id of the run',
        )
    return found["id"]


def invalid_field(field: str, message: str, *, hint: str) -> ValidationError:
    """A ValidationError that knows which ``field`` of the request is at fault."""
    return ValidationError(message, hint=hint, metadata={"field": field})
