"""Report of an experiment: one table and the goals, from results per variant and seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from uninote.evaluation.protocols import Json
from uninote.evaluation.results import write_result
from uninote.evaluation.tables import Cell, Table, over_seeds, write_table
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
            values = list(_values(column, runs).values())
            row.append(over_seeds(values) if len(values) == len(runs) else None)
        if experiment.against:
            before = results.get(experiment.against, {})
            metric = experiment.columns[0]
            differences = [new - old for new, old in _paired(metric, runs, before)]
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


def _values(metric: str, runs: Mapping[int, Json]) -> dict[int, float]:
    """Return a metric by seed, without runs that do not have it.

    A baseline has no prefixes; notes without a category, or a machine without the text tower, have no near
    misses.
    """
    values = {}
    for seed, run in runs.items():
        with suppress(KeyError):
            values[seed] = metric_of(metric)(run)
    return values


def _paired(
    metric: str, after: Mapping[int, Json], before: Mapping[int, Json]
) -> Iterator[tuple[float, float]]:
    """Yield a metric of both sides, one pair per seed that has them."""
    new, old = _values(metric, after), _values(metric, before)
    return ((new[seed], old[seed]) for seed in sorted(new.keys() & old.keys()))


def goal_values(goal: Goal, results: Results) -> list[float]:
    """Return the goal's number, one per seed that has both sides."""
    after = results.get(goal.variant, {})
    if goal.against is None:
        return list(_values(goal.metric, after).values())
    before = results.get(goal.against, {})
    if goal.metric == WORST:
        return [worst_task(after[seed], before[seed]) for seed in sorted(after.keys() & before.keys())]
    pairs = _paired(goal.metric, after, before)
    return [new - old if goal.kind == "difference" else new / old for new, old in pairs]


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
