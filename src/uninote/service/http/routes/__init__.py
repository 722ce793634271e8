"""Routes, one file per subject: each reads a request, calls the domain, and writes the answer."""
