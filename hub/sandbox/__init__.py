"""The sandbox kit: what a partner tries its own software with, before anybody real is in a message."""

from hub.sandbox.command import app

__all__ = ["app"]
