"""Doors: the adapters through which partners speak."""
