"""Concurrency primitives: batcher, coalescer, limits, bounded executors, loaded models."""
