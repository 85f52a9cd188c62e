"""``hub replay`` and ``hub compare``: recorded decisions made again, by the build that made them or by another one."""
