"""Files as sources: delimited text, JSON, JSON Lines and Parquet, plain or compressed."""

from .source import FileSource

__all__ = ["FileSource"]
