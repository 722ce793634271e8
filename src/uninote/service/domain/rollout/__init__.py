"""Rollout of a model version: comparison and backfill."""
