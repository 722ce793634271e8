"""When the service works on what: batches for the model, bounded queues, and a clean end."""
