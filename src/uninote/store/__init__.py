"""Vector stores behind one protocol: in memory, in PostgreSQL, in Milvus."""
