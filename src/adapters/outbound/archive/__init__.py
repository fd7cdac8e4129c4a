"""Where the raw captures are kept."""

from .folder import FolderArchive

__all__ = ["FolderArchive"]
