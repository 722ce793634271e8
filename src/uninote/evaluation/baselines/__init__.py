"""Baselines of the one-vector encoder: keyword search, dual tower, perceptual hash."""
