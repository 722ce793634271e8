"""Web console: server-rendered pages over the same use cases as the API, with sessions instead of keys."""
