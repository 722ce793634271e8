"""Rebuilds the benchmark's notes from the public git repositories they were cut from, at pinned commits."""
