"""What a table holds, in one number that does not depend on the order of its rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

_SEEDS = (0x5350494E, 0x454D4B54)
_HALF = 1 << 32
_RANGE = 1 << 64


@dataclass(frozen=True, slots=True)
class TableDigest:
    """How many rows there are, and two sums of their hashes.

    Databases sort text by rules of their own, so rows are summed up instead of chained. Frames of
    equal columns and types have equal digests exactly when they hold the same rows, bit for bit,
    but for one chance in 2**128. Digests compare within one version of polars.
    """

    rows: int = 0
    sums: tuple[int, int] = (0, 0)

    def plus(self, frame: pl.DataFrame) -> TableDigest:
        """The digest of these rows and those of ``frame``."""
        exact = frame.select(_bits(name, dtype) for name, dtype in frame.schema.items())
        first, second = (
            (total + _sum_of_hashes(exact, seed)) % _RANGE
            for total, seed in zip(self.sums, _SEEDS, strict=True)
        )
        return TableDigest(self.rows + frame.height, (first, second))

    @classmethod
    def of(cls, frames: Iterable[pl.DataFrame]) -> TableDigest:
        """The digest of all rows of all frames."""
        digest = cls()
        for frame in frames:
            digest = digest.plus(frame)
        return digest

    def __str__(self) -> str:
        """32 hexadecimal digits."""
        return "".join(f"{total:016x}" for total in self.sums)


def _bits(name: str, dtype: pl.DataType) -> pl.Expr:
    """Numbers that count as equal although their bits differ are told apart: 0.0 and -0.0."""
    values = pl.col(name)
    return values.reinterpret(dtype=pl.UInt64()) if dtype == pl.Float64 else values


def _sum_of_hashes(frame: pl.DataFrame, seed: int) -> int:
    hashes = frame.hash_rows(seed=seed)
    # Summed up in halves: the sum of 64-bit numbers would overflow.
    return int((hashes // _HALF).sum()) * _HALF + int((hashes % _HALF).sum())
