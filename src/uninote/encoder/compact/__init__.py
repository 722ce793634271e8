"""Compact backbone: MiniLM and EfficientNet-Lite0 joined by a trained connector, for a laptop CPU."""
