"""The measures of the strategies and the governance digests (DOMAIN 8.1, 8.4)."""
