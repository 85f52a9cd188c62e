"""``hub witness``: partners cosign that the ledger only grows."""

from hub.witness.command import app

__all__ = ["app"]
