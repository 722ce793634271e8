"""Experiments: variants declared in a small file, run for every seed, and their tables."""
