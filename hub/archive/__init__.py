"""The write-once archive: written by ``hub archive run``, read by every verb of audit."""

from hub.archive.command import app

__all__ = ["app"]
