"""Pictures and videos that callers send: bytes first, addresses only from an allow-list."""
