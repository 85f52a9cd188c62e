"""The agent beside a council's case system: an SQL source, a mapping, a diff by hashes, the client."""

from hub.connect.command import app

__all__ = ["app"]
