"""The ledger: what was decided, in trees that only grow, under signed checkpoints that others witness."""
