"""Vector stores with one protocol: in memory, in PostgreSQL, in Milvus."""
