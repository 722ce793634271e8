"""Background threads: the stream consumer and the synchronisation with a vector cluster."""
