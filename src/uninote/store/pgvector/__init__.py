"""pgvector search rules, shared by the index of a folder and the tables of the service."""
