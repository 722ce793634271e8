"""Use cases: what the API and the console do, without HTTP."""
