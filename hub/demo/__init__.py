"""``hub demo``: a generated county through the whole hub, day by day, and a summary of what came of it."""
