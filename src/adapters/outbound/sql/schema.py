"""The whole schema: importing this module fills the MetaData with the tables of every topic."""

from __future__ import annotations

from . import schema_access, schema_core, schema_finra_otc, schema_runs
from .metadata import METADATA

TOPICS = (schema_runs, schema_core, schema_finra_otc, schema_access)

__all__ = ["METADATA", "TOPICS"]
