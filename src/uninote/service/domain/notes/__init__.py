"""Notes: ingest, idempotency, forgetting, search, outbox."""
