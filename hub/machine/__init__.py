"""The machine: a real Kafka broker and a real PostgreSQL server on loopback, for development, demo and tests."""
