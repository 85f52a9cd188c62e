"""What the alerts service answers to partners who ask: its HTTP door, and what is mounted in it."""
