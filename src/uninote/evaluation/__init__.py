"""The suite of tasks, metrics with intervals, baselines and the report."""

from uninote.extras import require

require("evaluate")
