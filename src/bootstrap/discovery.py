"""Find the pipelines, workflows and sources that users declare in modules of their own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from ..domain.errors import ConfigurationError, SpineError
from ..domain.pipelines import Pipeline
from ..domain.workflows import Workflow
from ..ports.sources import SourceType, source_type_of

ENTRY_POINTS = "market_spine.modules"


@dataclass(slots=True)
class Discovered:
    """What was declared, in the order it was found."""

    pipelines: list[Pipeline] = field(default_factory=list)
    workflows: list[Workflow] = field(default_factory=list)
    sources: list[SourceType] = field(default_factory=list)


def discover(modules: Sequence[str]) -> Discovered:
    """Import the named modules and those that installed packages announce, and look into them.

    The working folder is on the path, so that a module beside the data is found. Raises a
    ConfigurationError that names the module which cannot be imported, and why.
    """
    found = Discovered()
    for name in _unique([*_announced(), *modules]):
        _collect(_load(name), found)
    return found


def _announced() -> list[str]:
    return [point.value.split(":")[0] for point in entry_points(group=ENTRY_POINTS)]


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _load(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        return importlib.import_module(name)
    except SpineError as error:
        raise ConfigurationError(
            f"module {name} cannot be used: {error.message}", hint=error.hint, cause=error
        ) from error
    except (Exception, SystemExit) as error:
        raise ConfigurationError(
            f"module {name} cannot be imported: {type(error).__name__}: {error}",
            hint="SPINE_MODULES names modules that Python can import from the working folder or "
            "from installed packages",
            cause=error,
        ) from error


def _collect(module: ModuleType, found: Discovered) -> None:
    for value in vars(module).values():
        if isinstance(value, Pipeline):
            found.pipelines.append(value)
        elif isinstance(value, Workflow):
            found.workflows.append(value)
        else:
            kind = source_type_of(value)
            if kind is not None:
                found.sources.append(kind)
