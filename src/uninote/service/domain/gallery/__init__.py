"""Gallery: categories, samples, thresholds, matching, scores to calibrate on, model versions."""
