"""Evaluation: suite of tasks, metrics with intervals, baselines and report."""

from uninote.extras import require

require("evaluate")
