"""Gallery: categories, samples, thresholds, matching, calibration, model versions."""
