"""The deployed service: HTTP API and console over one database."""
