"""Administration of the database: backup and expiry."""
