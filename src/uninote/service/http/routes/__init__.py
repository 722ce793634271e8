"""Routes, one file per subject: each reads a request, calls a use case, and writes the answer."""
