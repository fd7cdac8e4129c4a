"""Read published datasets: now, or as they were known at an earlier moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import polars as pl

from ..domain.datasets import DatasetQuery, DatasetSpec, column_type, typed_filter
from ..domain.errors import SpineError, ValidationError, as_spine_error
from ..domain.registry import Registry
from ..ports.storage import Store, UnitOfWork


class Dataset(Protocol):
    """A dataset that can be read: its promise, and where its rows come from."""

    @property
    def name(self) -> str: ...

    @property
    def spec(self) -> DatasetSpec: ...

    def frames(self, unit: UnitOfWork, query: DatasetQuery) -> Iterator[pl.DataFrame]:
        """Rows for the periods and segment of ``query`` as known at its ``as_of``.

        Newest period first, frame by frame. May use the other filters to read less; whatever it
        lets through is filtered again.
        """
        ...


@dataclass(frozen=True, slots=True)
class ReadDatasets:
    """The reading side of every dataset in the catalog."""

    store: Store
    catalog: Registry[Dataset]

    def list(self) -> list[DatasetSpec]:
        """All datasets, by name."""
        return [dataset.spec for dataset in self.catalog]

    def spec(self, name: str) -> DatasetSpec:
        """Raises a ValidationError that suggests the nearest name for an unknown one."""
        return self.catalog.get(name).spec

    def stream(self, name: str, query: DatasetQuery) -> Iterator[pl.DataFrame]:
        """Frames with exactly the columns asked for, at most ``query.limit`` rows in all.

        Raises a ValidationError at once for an unknown dataset, column or value; what goes wrong
        on the way is a SpineError as well.
        """
        dataset = self.catalog.get(name)
        schema = schema_of(dataset.spec, query)
        if len(query.symbols) == 1 and query.symbol is None:
            # Of one symbol less can be read.
            query = replace(query, symbol=query.symbols[0], symbols=())
        condition = _condition(dataset.spec, query)
        return _typed(self._stream(dataset, query, condition, list(schema)), name)

    def frame(self, name: str, query: DatasetQuery) -> pl.DataFrame:
        """All of :meth:`stream` in one frame."""
        spec = self.spec(name)
        frames = list(self.stream(name, query))
        return pl.concat(frames) if frames else pl.DataFrame(schema=schema_of(spec, query))

    def _stream(
        self,
        dataset: Dataset,
        query: DatasetQuery,
        condition: pl.Expr | None,
        columns: Sequence[str],
    ) -> Iterator[pl.DataFrame]:
        left = query.limit
        with self.store.read() as unit:
            for frame in dataset.frames(unit, query):
                wanted = frame.filter(condition) if condition is not None else frame
                wanted = wanted.select(columns)
                if left is not None:
                    wanted = wanted.head(left)
                    left -= wanted.height
                if wanted.height:
                    yield wanted
                if left == 0:
                    return


def schema_of(spec: DatasetSpec, query: DatasetQuery) -> dict[str, pl.DataType]:
    """The columns of an answer, in their order; a ValidationError for one that there is not."""
    wanted = query.columns or spec.column_names
    if len(set(wanted)) < len(wanted):
        raise ValidationError("a column is asked for twice", hint="name each column once")
    return {name: column_type(spec, name) for name in wanted}


def _typed(frames: Iterator[pl.DataFrame], name: str) -> Iterator[pl.DataFrame]:
    try:
        yield from frames
    except SpineError:
        raise
    except Exception as error:
        raise as_spine_error(error, doing=f"reading dataset {name}") from error


def _condition(spec: DatasetSpec, query: DatasetQuery) -> pl.Expr | None:
    if query.limit is not None and query.limit < 0:
        raise ValidationError(f"the limit {query.limit} is negative", hint="give 0 or more")
    wanted = [*query.equals.items(), ("symbol", query.symbol), ("tier", query.segment)]
    conditions = [typed_filter(spec, column, text) for column, text in wanted if text is not None]
    if query.symbols:
        column_type(spec, "symbol")
        conditions.append(pl.col("symbol").is_in(list(query.symbols)))
    return pl.all_horizontal(conditions) if conditions else None
