"""The suite of tasks, metrics with intervals, baselines and the report."""
