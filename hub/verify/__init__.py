"""``hub verify``: whether archive, ledger and database are whole and unaltered."""
