"""Compact backbone: frozen towers and a trained aggregator of their outputs, for a laptop CPU."""
