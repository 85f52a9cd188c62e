"""Refused submissions that wait, sealed: who waits why, what a fix would now let through, and sending it again."""
