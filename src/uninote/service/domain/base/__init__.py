"""Base of the domain: audit log, gallery lock, keys, stored payloads, vectors."""
