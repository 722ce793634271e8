"""What a service does beside its requests: reading a stream, feeding and searching a vector cluster."""
