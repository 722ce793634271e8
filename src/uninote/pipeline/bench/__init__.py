"""Experiments: what a small file declares, run for every variant and seed, and the tables made of it."""
