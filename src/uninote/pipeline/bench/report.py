"""Report of an experiment: one table and the goals, from results per variant and seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from uninote.evaluation.protocols import Json
from uninote.evaluation.results import write_result
from uninote.evaluation.tables import Cell, Measure, Table, over_seeds, write_table
from uninote.pipeline.bench.definition import Experiment, Goal
from uninote.pipeline.bench.metrics import WORST, metric_of, worst_task

Results = Mapping[str, Mapping[int, Json]]
"""Results by variant, then seed."""


def table_of(experiment: Experiment, results: Results, command: str, facts: str = "") -> Table:
    """Build a row per variant that has a result; intervals over its seeds.

    With `against`, a last column has the difference of the first metric, seed by seed: it does not contain
    the spread between splits, which is the larger part of an interval.
    """
    columns = ["variant", *experiment.columns]
    if experiment.against:
        columns.append(f"{experiment.columns[0]} vs {experiment.against}")
    rows: list[tuple[Cell, ...]] = []
    for name in experiment.variants:
        runs = results.get(name, {})
        if not runs:
            continue
        row: list[Cell] = [name]
        for column in experiment.columns:
            row.append(_measure(column, runs))
        if experiment.against:
            before = results.get(experiment.against, {})
            shared = sorted(runs.keys() & before.keys())
            metric = metric_of(experiment.columns[0])
            differences = [metric(runs[seed]) - metric(before[seed]) for seed in shared]
            row.append(over_seeds(differences) if differences and name != experiment.against else None)
        rows.append(tuple(row))
    seeds = sorted({seed for runs in results.values() for seed in runs})
    return Table(
        title=experiment.title,
        columns=tuple(columns),
        rows=tuple(rows),
        seeds=tuple(seeds),
        command=command,
        note=" ".join(f"{experiment.note} {facts}".split()),
    )


def _measure(column: str, runs: Mapping[int, Json]) -> Measure | None:
    """Measure one run; None for a metric that it does not have: a baseline has no prefixes."""
    try:
        return over_seeds([metric_of(column)(run) for run in runs.values()])
    except KeyError:
        return None


def goal_values(goal: Goal, results: Results) -> list[float]:
    """Return the goal's number, one per seed that has both sides."""
    after = results.get(goal.variant, {})
    if goal.against is None:
        return [metric_of(goal.metric)(run) for run in after.values()]
    before = results.get(goal.against, {})
    values = []
    for seed in sorted(after.keys() & before.keys()):
        if goal.metric == WORST:
            values.append(worst_task(after[seed], before[seed]))
            continue
        new, old = (metric_of(goal.metric)(side[seed]) for side in (after, before))
        values.append(new - old if goal.kind == "difference" else new / old)
    return values


def write_report(
    experiment: Experiment, results: Results, folder: Path, command: str, facts: str = ""
) -> Table:
    """Write `<name>.json` and one file per goal that has a value.

    `facts`: sentences of the table's note in addition to the experiment's own.
    """
    table = table_of(experiment, results, command, facts)
    write_table(folder / f"{experiment.name}.json", table)
    for goal in experiment.goals:
        values: Sequence[float] = goal_values(goal, results)
        if not values:
            continue
        measure = over_seeds(values)
        edges = (measure.low, measure.high)
        interval = (
            (round(edges[0], 4), round(edges[1], 4))
            if edges[0] is not None and edges[1] is not None
            else None
        )
        percent = "%" if goal.against is None else "points"
        write_result(
            folder,
            goal.name,
            goal.claim,
            round(measure.value, 4),
            goal=goal.goal,
            unit="x" if goal.kind == "ratio" else percent,
            interval=interval,
            command=command,
        )
    return table
