"""A pipeline is a named function with typed parameters that returns a Result."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from .errors import ConfigurationError
from .parameters import REQUIRED, Param, ParameterSpec
from .partitions import PartitionSpace
from .queueing import DEFAULT_POOL
from .retries import NO_RETRY, Retry

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A registered unit of work.

    ``function(context, **parameters)`` does it and returns a :class:`Result`, a mapping of
    metrics, or nothing. Whatever it writes through the context commits with its outcome.
    """

    name: str
    description: str
    parameters: tuple[ParameterSpec, ...]
    function: Callable[..., Any]
    origin: str = "user"
    retry: Retry = NO_RETRY
    timeout: float | None = None
    pool: str = DEFAULT_POOL
    max_active: int | None = None
    key: str | None = None
    partition: str | None = None
    partitions: PartitionSpace | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the plain function, as if it had not been decorated."""
        return self.function(*args, **kwargs)


def pipeline(
    name: str,
    *,
    description: str | None = None,
    origin: str = "user",
    retry: Retry = NO_RETRY,
    timeout: float | None = None,
    pool: str = DEFAULT_POOL,
    max_active: int | None = None,
    key: str | None = None,
    partition: str | None = None,
    partitions: PartitionSpace | None = None,
) -> Callable[[Callable[..., Any]], Pipeline]:
    """Declare a function as a pipeline; its keyword parameters become the pipeline's.

    The first parameter of the function is the run's context. Every further one needs a type;
    ``Annotated[type, Param("...")]`` documents it. Nothing is registered globally: the pipeline
    is found in the modules that the settings name.

    The rest holds for runs that workers execute. ``retry`` says when a failed attempt is followed
    by another, ``timeout`` after how many seconds an attempt is ended, ``pool`` which workers take
    it, ``max_active`` how many runs of it there are at once. Runs with the same ``key`` go one
    after the other; ``partition`` names what a run is about. Both are templates over the
    parameters, such as ``"{week}/{tier}"``, and say nothing where one of these is not given.
    ``partitions`` are those that ``spine backfill`` can go over. Raises ConfigurationError for a
    bad name, signature or template.
    """

    def declare(function: Callable[..., Any]) -> Pipeline:
        doc = inspect.getdoc(function) or ""
        declared = Pipeline(
            name=checked_name(name, "pipeline"),
            description=description or doc.split("\n\n")[0].replace("\n", " "),
            parameters=signature_parameters(function, owner=name),
            function=function,
            origin=origin,
            retry=retry,
            timeout=timeout,
            pool=pool,
            max_active=max_active,
            key=key,
            partition=partition,
            partitions=partitions,
        )
        _check_execution(declared)
        return declared

    return declare


def _check_execution(item: Pipeline) -> None:
    """Raise a ConfigurationError for what no worker could keep."""
    if (item.timeout is not None and item.timeout <= 0) or (
        item.max_active is not None and item.max_active < 1
    ):
        raise ConfigurationError(
            f"pipeline {item.name} has a timeout of {item.timeout} s and at most "
            f"{item.max_active} active runs",
            hint="give more than 0 seconds, and at least 1 run",
        )
    known = {spec.name for spec in item.parameters}
    secret = {spec.name for spec in item.parameters if spec.doc.secret}
    for what, template in (("key", item.key), ("partition", item.partition)):
        used = {name for _, name, _, _ in Formatter().parse(template or "") if name is not None}
        if used - known or used & secret:
            raise ConfigurationError(
                f"the {what} of pipeline {item.name} names {', '.join(sorted(used))}",
                hint=f"it may name its parameters: {', '.join(sorted(known - secret)) or 'none'}",
            )


def checked_name(name: str, kind: str) -> str:
    """``name``, when it is dotted lower-case words; raises ConfigurationError otherwise."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is no {kind} name",
            hint="use lower-case words joined by dots, such as 'prices.daily.refresh'",
        )
    return name


def signature_parameters(function: Callable[..., Any], *, owner: str) -> tuple[ParameterSpec, ...]:
    """The parameters after the context, from the signature's types, defaults and annotations."""
    try:
        hints: Mapping[str, Any] = get_type_hints(function, include_extras=True)
    except NameError as error:
        raise ConfigurationError(
            f"the annotations of pipeline {owner} cannot be resolved: {error}",
            hint="import the names at module level",
            cause=error,
        ) from error
    declared = list(inspect.signature(function).parameters.values())
    if not declared:
        raise ConfigurationError(
            f"pipeline {owner} takes no context", hint="give its function a first parameter"
        )
    return tuple(_spec(item, hints, owner) for item in declared[1:])


def _spec(item: inspect.Parameter, hints: Mapping[str, Any], owner: str) -> ParameterSpec:
    if item.kind in (item.VAR_POSITIONAL, item.VAR_KEYWORD) or item.name not in hints:
        raise ConfigurationError(
            f"parameter {item.name!r} of pipeline {owner} has no declared type",
            hint="give each parameter a name and a type",
        )
    annotation, doc = hints[item.name], Param()
    if get_origin(annotation) is Annotated:
        annotation, *extras = get_args(annotation)
        doc = next((extra for extra in extras if isinstance(extra, Param)), doc)
    default = REQUIRED if item.default is item.empty else item.default
    return ParameterSpec(item.name, annotation, default, doc)
