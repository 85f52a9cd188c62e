"""Identity resolution: observations become attributions, and what nobody can decide becomes a review."""
