"""What the service does, without HTTP: every function is one step inside one transaction."""
