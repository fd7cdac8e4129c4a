"""Db2 for Alembic, which does not know it: what it does elsewhere holds for Db2."""

from __future__ import annotations

from alembic.ddl.impl import DefaultImpl


class Db2Impl(DefaultImpl):
    """Found by Alembic through the name of the SQLAlchemy dialect."""

    __dialect__ = "ibm_db_sa"
    transactional_ddl = True
