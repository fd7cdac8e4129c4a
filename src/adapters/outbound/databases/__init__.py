"""Databases as sources: a query or a table of SQLite, PostgreSQL or Db2, read-only."""

from .source import DatabaseSource

__all__ = ["DatabaseSource"]
