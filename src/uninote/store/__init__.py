"""Vectors in, nearest vectors out: one protocol, in memory or in PostgreSQL."""
