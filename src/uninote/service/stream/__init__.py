"""Notes from a message broker."""
