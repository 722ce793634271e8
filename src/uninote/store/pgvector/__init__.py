"""Rules of searching with pgvector, shared by the index of a folder and the tables of the service."""
