"""Resource names of the API: the kind of thing and its id, as in runs/0198c5e2."""

from __future__ import annotations

import re

from ....domain.errors import ValidationError

_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}")

RUNS, BACKFILLS, CAPTURES = "runs", "backfills", "captures"
PIPELINES, WORKFLOWS, DATASETS = "pipelines", "workflows", "datasets"


def name_of(kind: str, item_id: str | None) -> str:
    """The resource name of something; empty for None."""
    return f"{kind}/{item_id}" if item_id else ""


def run_name(run_id: str) -> str:
    """The resource name of a run."""
    return name_of(RUNS, run_id)


def id_of(kind: str, name: str, *, field: str) -> str:
    """The id in a resource name; raises a ValidationError that names the request's ``field``."""
    prefix, slash, item_id = name.partition("/")
    if prefix != kind or not slash or not _ID.fullmatch(item_id):
        raise invalid_field(
            field,
            f"{field} is {name[:100]!r}, which is not the name of a {kind[:-1]}",
            hint=f'give it as "{kind}/" and the id of the {kind[:-1]}',
        )
    return item_id


def run_id(name: str, *, field: str) -> str:
    """The id in the name of a run."""
    return id_of(RUNS, name, field=field)


def optional_id(kind: str, name: str, *, field: str) -> str | None:
    """The id in a resource name; None for the empty text."""
    return id_of(kind, name, field=field) if name else None


def bare_id(text: str, *, field: str) -> str:
    """The id of something that has no resource name."""
    if not _ID.fullmatch(text):
        raise invalid_field(
            field, f"{field} has {text[:100]!r}, which is no id", hint="give it as it was told"
        )
    return text


def pipeline_id(name: str, *, field: str) -> str:
    """The id of what can be submitted: pipelines/ID, workflows/ID, or the id alone."""
    kind, slash, _ = name.partition("/")
    if slash and kind in (PIPELINES, WORKFLOWS):
        return id_of(kind, name, field=field)
    if not _ID.fullmatch(name):
        raise invalid_field(
            field,
            f"{field} is {name[:100]!r}, which is not the name of a pipeline or workflow",
            hint='give it as "pipelines/" and the id of the pipeline',
        )
    return name


def invalid_field(field: str, message: str, *, hint: str) -> ValidationError:
    """A ValidationError that knows which ``field`` of the request is at fault."""
    return ValidationError(message, hint=hint, metadata={"field": field})
