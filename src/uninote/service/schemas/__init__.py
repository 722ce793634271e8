"""Schemas of the HTTP API: requests and answers, one file per subject."""
