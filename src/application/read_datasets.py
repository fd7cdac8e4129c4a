"""Read published datasets: now, or as they were known at an earlier moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from ..domain.datasets import DatasetQuery, DatasetSpec, typed_filter
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
        """Frames with exactly the dataset's columns, at most ``query.limit`` rows in all.

        Raises a ValidationError at once for an unknown dataset, column or value; what goes wrong
        on the way is a SpineError as well.
        """
        dataset = self.catalog.get(name)
        condition = _condition(dataset.spec, query)
        return _typed(self._stream(dataset, query, condition), name)

    def frame(self, name: str, query: DatasetQuery) -> pl.DataFrame:
        """All of :meth:`stream` in one frame."""
        spec = self.spec(name)
        frames = list(self.stream(name, query))
        return pl.concat(frames) if frames else pl.DataFrame(schema=spec.schema)

    def _stream(
        self, dataset: Dataset, query: DatasetQuery, condition: pl.Expr | None
    ) -> Iterator[pl.DataFrame]:
        left = query.limit
        columns = dataset.spec.column_names
        with self.store.read() as unit:
            for frame in dataset.frames(unit, query):
                wanted = frame.select(columns)
                if condition is not None:
                    wanted = wanted.filter(condition)
                if left is not None:
                    wanted = wanted.head(left)
                    left -= wanted.height
                if wanted.height:
                    yield wanted
                if left == 0:
                    return


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
    return pl.all_horizontal(conditions) if conditions else None
