"""Methods of the API by the names that people give them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from ....domain.errors import ValidationError

PACKAGE = "market_spine.v1."


def full_name(text: str) -> str:
    """``SubmitRun`` or ``RunService/SubmitRun`` as ``market_spine.v1.RunService/SubmitRun``.

    Raises a ValidationError that suggests the nearest name for a method that the API has not.
    """
    known = [*_methods()]
    asked = text.strip().removeprefix("/").removeprefix(PACKAGE)
    found = [name for name in known if asked in (name, _bare(name))]
    if len(found) == 1:
        return PACKAGE + found[0]
    if found:
        raise ValidationError(
            f"--method {text!r} is a method of several services",
            hint=f"give one of {', '.join(found)}",
        )
    whole = {name.lower(): name for name in known}
    bare = {_bare(name).lower(): _bare(name) for name in known}
    forms = whole if "/" in asked else bare
    close = difflib.get_close_matches(asked.lower(), forms, n=3, cutoff=0.6)
    raise ValidationError(
        f"--method {text!r} is no method of the API",
        hint=f"did you mean {' or '.join(forms[name] for name in close)}?"
        if close
        else f"known: {', '.join(sorted(bare.values()))}",
    )


def _bare(name: str) -> str:
    return name.rpartition("/")[2]


def _methods() -> Iterator[str]:
    """All methods, as ``RunService/SubmitRun``."""
    from ....v1 import (
        backfill_service_pb2,
        dataset_service_pb2,
        pipeline_service_pb2,
        run_service_pb2,
        system_service_pb2,
        workflow_service_pb2,
    )

    for file in (
        run_service_pb2,
        backfill_service_pb2,
        pipeline_service_pb2,
        workflow_service_pb2,
        dataset_service_pb2,
        system_service_pb2,
    ):
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                yield f"{service.name}/{method.name}"
