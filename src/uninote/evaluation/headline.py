"""Headline numbers of a report, and changes from one stage to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from uninote.evaluation.bootstrap import interval_of_mean, paired_difference
from uninote.evaluation.metrics import Values
from uninote.evaluation.protocols import Json
from uninote.evaluation.variants import TOLD_APART, Variant, task_of
from uninote.tasks.definitions import NOTE_TASKS, SINGLE_TARGET, TWIN_TASKS, UNEDITED, Task, in_words


def first_metric(task: str) -> str:
    """Return the metric that sums up a task: precision@1 if several targets are relevant, else recall@1.

    Tasks that stand for no member of `Task`, e.g. author-made links, have several relevant targets.
    """
    known = task_of(task)
    return known.spec.first_metric if known else "precision@1"


def _first_metrics(tasks: Iterable[Task], variant: Variant | None = None) -> dict[str, str]:
    return {variant.of(task) if variant else task.value: task.spec.first_metric for task in tasks}


ALL = {in_words(tasks): _first_metrics(tasks) for tasks in (UNEDITED, SINGLE_TARGET, tuple(Task))}
_FIVE, _THREE = in_words(NOTE_TASKS), in_words(TWIN_TASKS)
MEANS = {
    **ALL,
    _FIVE: _first_metrics(NOTE_TASKS),
    f"{_FIVE}, {Variant.NEAR}": _first_metrics(NOTE_TASKS, Variant.NEAR),
    f"{_FIVE}, {Variant.CORPUS}": _first_metrics(NOTE_TASKS, Variant.CORPUS),
    f"{_THREE}, {Variant.TWINS}": _first_metrics(TWIN_TASKS, Variant.TWINS),
    TOLD_APART: {Variant.TWINS.of(task): TOLD_APART for task in TWIN_TASKS},
}
"""Tasks and their metrics by the name of the mean that sums them up; `ALL` are those over all tasks."""

MEANT = {
    in_words(UNEDITED): f"recall@1, without {' and '.join(t for t in SINGLE_TARGET if t not in UNEDITED)}",
    in_words(SINGLE_TARGET): "recall@1, one relevant target a query",
    in_words(Task): f"with the precision@1 of {' and '.join(t for t in Task if t.spec.graded)}",
    _FIVE: f"recall@1 of {', '.join(NOTE_TASKS)}",
    f"{_FIVE}, {Variant.NEAR}": "the same among the nearest notes of the category",
    f"{_FIVE}, {Variant.CORPUS}": "the same among all notes",
    f"{_THREE}, {Variant.TWINS}": f"recall@1 of {', '.join(TWIN_TASKS)} among notes and their twins",
    TOLD_APART: "the right note above its own twin, in the same tasks",
}
"""Metric and tasks of each of `MEANS`, for captions."""


def task_means(per_query: Mapping[str, Mapping[str, Values]], bootstrap: int, seed: int) -> dict[str, Json]:
    """Return `mean`, `mean_interval` (if `bootstrap` > 0) and `tasks` (their number) of each of `MEANS`.

    Every task counts equally; a mean without a measured task is left out.

    Args:
        per_query: metrics of each query, float64 `[q]`, by task and metric.
    """
    means: dict[str, Json] = {}
    for name, tasks in MEANS.items():
        groups = [per_query[task][metric] for task, metric in tasks.items() if task in per_query]
        if not groups:
            continue
        means[name] = {"mean": float(np.mean([group.mean() for group in groups])), "tasks": len(groups)}
        if bootstrap:
            means[name]["mean_interval"] = interval_of_mean(groups, bootstrap, seed).tolist()
    return means


def mean_recall(tasks: Mapping[str, Json]) -> float:
    """Return the mean recall@1 over the tasks with one relevant target.

    With several relevant targets the maximum of recall@1 is far below 1.
    """
    values = [tasks[task.value]["recall@1"] for task in SINGLE_TARGET if task.value in tasks]
    return float(np.mean(values)) if values else float("nan")


def changes(before: Json, after: Json, bootstrap: int, seed: int) -> dict[str, Json]:
    """Return the paired difference of each task's first metric: `metric`, `difference`, `interval`, `real`.

    `real`: the 95 % interval excludes 0. That of `TOLD_APART` has the name `told_apart_of(task)`. Raises
    ValueError when the stages ran on different suites.
    """
    result = {}
    for task, metric, old, new in _paired(before, after):
        name = told_apart_of(task) if metric == TOLD_APART else task
        result[name] = {"metric": metric} | _change(*paired_difference(old, new, bootstrap, seed))
    return result


def mean_changes(before: Json, after: Json, bootstrap: int, seed: int) -> dict[str, Json]:
    """Return the paired difference of each of `MEANS` as `changes` does, with queries resampled by task."""
    changed: dict[str, dict[str, Values]] = {}
    for task, metric, old, new in _paired(before, after):
        changed.setdefault(task, {})[metric] = new - old
    found = task_means(changed, bootstrap, seed)
    return {name: _change(mean["mean"], mean["mean_interval"]) for name, mean in found.items()}


def _paired(before: Json, after: Json) -> Iterator[tuple[str, str, Values, Values]]:
    """Yield task, metric (the first, and `TOLD_APART`), and its values of each query before and after."""
    if before["suite"] != after["suite"]:
        raise ValueError("stages measured on different suites cannot be paired; evaluate both again")
    for task, values in after["per_query"].items():
        for metric in (first_metric(task), TOLD_APART):
            if metric in values:
                yield task, metric, np.asarray(before["per_query"][task][metric]), np.asarray(values[metric])


def _change(difference: float, interval: Sequence[float]) -> Json:
    low, high = interval
    return {"difference": difference, "interval": [low, high], "real": low > 0 or high < 0}


def told_apart_of(task: str) -> str:
    """Return the name of the row of a task with twins for the share told apart."""
    return f"{task}, {TOLD_APART}"


def headlines(report: Json) -> list[Json]:
    """Return the cards of the report that it has numbers for: `label`, `value`, `unit`, `detail`."""
    stages = report["stages"]
    names = list(stages)
    last, first = stages[names[-1]], stages[names[0]]
    mean = mean_recall(last["tasks"])
    cards = []
    for name in ALL:
        if (found := last.get("means", {}).get(name)) is None:
            continue
        detail = MEANT[name]
        if interval := found.get("mean_interval"):
            detail += f"; 95 %: {100 * interval[0]:.1f}–{100 * interval[1]:.1f}"
        if len(names) > 1:
            detail += f"; {names[0]}: {100 * first['means'][name]['mean']:.1f}"
        cards.append(_card(f"Mean of {name}", 100 * found["mean"], "%", detail))
    note = last["tasks"].get(Task.NOTE2NOTE.value)
    if note:
        ndcg = max((key for key in note if key.startswith("ndcg@") and "_" not in key), key=len)
        cards.append(_card("Note2Note precision@1", 100 * note["precision@1"], "%", _from(names, first)))
        cards.append(
            _card(
                f"Note2Note {ndcg.replace('ndcg', 'nDCG')}",
                100 * note[ndcg],
                "%",
                "order by overlap of content",
            )
        )
    if len(last["dims"]) > 1 and mean > 0:
        small = min(last["dims"], key=int)
        kept = mean_recall(last["dims"][small]) / mean
        cards.append(
            _card(f"Kept at {small} dimensions", 100 * kept, "%", f"of mean recall@1, {4 * int(small)} bytes")
        )
    for name, baseline in report.get("baselines", {}).items():
        if baseline["cost"].get("vectors_per_note", 0) > 1:
            ratio = baseline["cost"]["bytes_per_note"] / last["cost"]["bytes_per_note"]
            text = f"of {name}: 1 vector a note instead of {baseline['cost']['vectors_per_note']:.1f}"
            if ratio > 1:
                cards.append(_card("Storage a note", 1 / ratio * 100, "%", text))
            break
    return cards


def best_in_row(entries: Sequence[Json | None], metric: str) -> set[int]:
    """Return the positions of the highest value, rounded to 0.1 %; none when all are equal."""
    shown = [round(100 * entry[metric], 1) if entry and metric in entry else None for entry in entries]
    known = [value for value in shown if value is not None]
    if not known or min(known) == max(known):
        return set()
    return {i for i, value in enumerate(shown) if value == max(known)}


def _card(label: str, value: float, unit: str, detail: str) -> Json:
    return {"label": label, "value": value, "unit": unit, "detail": detail}


def _from(names: Sequence[str], first: Json) -> str:
    before = first["tasks"].get(Task.NOTE2NOTE.value, {}).get("precision@1")
    if len(names) == 1 or before is None:
        return "half a note finds its other half"
    return f"half a note finds its other half; {names[0]}: {100 * before:.1f}"


def mean_of_all(tasks: Mapping[str, Json]) -> float:
    """Return the mean over the tasks of the first metric of each."""
    values = [entry[first_metric(task)] for task, entry in tasks.items()]
    return float(sum(values) / len(values))
