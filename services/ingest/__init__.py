"""ingest: submissions -> observations | refusals. The information-sharing gate and the doors in front of it."""
