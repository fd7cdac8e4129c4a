"""What holds for every kind of source: finding it by type, and trying again."""

from .registry import SourceRegistry
from .retry import RetryingSource

__all__ = ["RetryingSource", "SourceRegistry"]
