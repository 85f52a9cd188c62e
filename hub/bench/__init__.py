"""``hub bench``: how fast the hub is on this machine, next to a bare loop over the same records in the same run."""

from hub.bench.command import app

__all__ = ["app"]
