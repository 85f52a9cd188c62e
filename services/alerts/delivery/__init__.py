"""Deliveries: each attempt to tell somebody of an alert, and the life it has. At least once, under one id."""
