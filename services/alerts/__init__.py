"""Alerts: forty rules, the routing of what they raise, and the one gate through which anything is disclosed."""
