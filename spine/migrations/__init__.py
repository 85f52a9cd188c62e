"""Migrations of the journal; each service may add its own in ``services/<name>/migrations/versions``."""
