"""The command `hub`, and the supervisor that runs the whole hub on one machine."""
