"""Tables of the FINRA OTC domain. The rows of a capture stand together, in the order of their key.

A million rows of a week repeat some ten thousand names: each name is kept once per capture, rows
carry its number. That halves both the file and the time to write it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Date, Double, ForeignKey, Integer, Table
from sqlalchemy.types import TypeEngine

from .column_types import code, generated_key, long_text, quantity, varchar
from .metadata import METADATA
from .row_tables import FINRA_OTC_NAMES, FINRA_OTC_TABLES, Kind, RowTable

NAME_BYTES = 1000

_TYPES: dict[Kind, TypeEngine[Any]] = {
    Kind.CODE: code(),
    Kind.NAME: Integer(),
    Kind.QUANTITY: quantity(),
    Kind.COUNT: BigInteger(),
    Kind.DAY: Date(),
    Kind.NUMBER: Double(),
}


def _row_table(table: RowTable) -> Table:
    return Table(
        table.name,
        METADATA,
        # No foreign key: the store asks once whether the capture is there, not once for each row.
        Column("capture_key", generated_key(), primary_key=True, autoincrement=False),
        *(
            Column(
                field.stored_as,
                _TYPES[field.kind],
                primary_key=field.name in table.key,
                nullable=field.nullable,
            )
            for field in table.fields
        ),
        sqlite_with_rowid=False,
    )


NAMES = Table(
    FINRA_OTC_NAMES,
    METADATA,
    Column("capture_key", ForeignKey("captures.capture_key"), primary_key=True),
    Column("name_no", Integer, primary_key=True, autoincrement=False),
    Column("name", varchar(NAME_BYTES), nullable=False),
    Column("name_long", long_text()),
    sqlite_with_rowid=False,
)

VENUE_VOLUME, SYMBOL_MEASURES, VENUE_SHARE = (_row_table(table) for table in FINRA_OTC_TABLES)
