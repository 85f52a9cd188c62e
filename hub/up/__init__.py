"""``hub up``: the whole hub on one machine, and what watches over it."""
