"""Backups of the database: one consistent dump with what it holds, its restoring, and the groups brought to it.

The log is not in them. What was accepted stands on the log; after a restore each service reads on from the offset that
the restored journal names, and decides again what it had decided since, under the same ids.
"""
