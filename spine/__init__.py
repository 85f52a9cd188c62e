"""The one loop that every service runs. It knows nothing of people, schools or alerts (a test says so)."""
