"""Deployment in simulation: online matching against a gallery, offline back-checks (method, section 5)."""
