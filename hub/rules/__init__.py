"""``hub rules``: what each alert rule means today, and what it would say to a story."""

from hub.rules.command import app

__all__ = ["app"]
