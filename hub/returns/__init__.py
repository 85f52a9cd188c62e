"""``hub returns``: what leaves for the Department for Education, frozen and under an agreement."""

from hub.returns.command import app

__all__ = ["app"]
