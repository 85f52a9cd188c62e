"""What an information officer asks about one person: why, what was known, who was told; copies, and erasure."""
