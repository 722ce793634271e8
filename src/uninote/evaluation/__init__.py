"""The ten-task suite, metrics with intervals, baselines and the report."""
