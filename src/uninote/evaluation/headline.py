"""Headline numbers of a report, and changes from one stage to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from uninote.evaluation.bootstrap import paired_difference
from uninote.evaluation.protocols import Json
from uninote.tasks.definitions import SINGLE_TARGET, Task


def first_metric(task: str) -> str:
    """Return the metric that sums up a task: precision@1 if several targets are relevant, else recall@1.

    Tasks outside of `Task`, e.g. author-made links, have several relevant targets.
    """
    return Task(task).spec.first_metric if task in set(Task) else "precision@1"


def mean_recall(tasks: Mapping[str, Json]) -> float:
    """Return the mean recall@1 over the tasks with one relevant target.

    With several relevant targets the maximum of recall@1 is far below 1.
    """
    values = [tasks[task.value]["recall@1"] for task in SINGLE_TARGET if task.value in tasks]
    return float(np.mean(values)) if values else float("nan")


def changes(before: Json, after: Json, bootstrap: int, seed: int) -> dict[str, Json]:
    """Return the paired difference of each task's first metric: `metric`, `difference`, `interval`, `real`.

    `real`: the 95 % interval excludes 0. Raises ValueError when the stages ran on different suites.
    """
    if before["suite"] != after["suite"]:
        raise ValueError("stages measured on different suites cannot be paired; evaluate both again")
    result = {}
    for task, values in after["per_query"].items():
        metric = first_metric(task)
        old, new = (np.asarray(side[metric]) for side in (before["per_query"][task], values))
        difference, (low, high) = paired_difference(old, new, bootstrap, seed)
        real = low > 0 or high < 0
        result[task] = {
            "metric": metric,
            "difference": difference,
            "interval": [low, high],
            "real": real,
        }
    return result


def headlines(report: Json) -> list[Json]:
    """Return the cards of the report that it has numbers for: `label`, `value`, `unit`, `detail`."""
    stages = report["stages"]
    names = list(stages)
    last, first = stages[names[-1]], stages[names[0]]
    mean = mean_recall(last["tasks"])
    cards = []
    if np.isfinite(mean):
        detail = f"one relevant target among {_pool(last['tasks'])}"
        if len(names) > 1:
            detail += f"; {names[0]}: {100 * mean_recall(first['tasks']):.1f}"
        cards.append(_card("Mean recall@1", 100 * mean, "%", detail))
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


def _pool(tasks: Mapping[str, Json]) -> str:
    sizes = [entry["n_targets"] for name, entry in tasks.items() if first_metric(name) == "recall@1"]
    return f"{min(sizes):,}" if min(sizes) == max(sizes) else f"{min(sizes):,} to {max(sizes):,}"


def _from(names: Sequence[str], first: Json) -> str:
    before = first["tasks"].get(Task.NOTE2NOTE.value, {}).get("precision@1")
    if len(names) == 1 or before is None:
        return "half a note finds its other half"
    return f"half a note finds its other half; {names[0]}: {100 * before:.1f}"


def mean_of_all(tasks: Mapping[str, Json]) -> float:
    """Return the mean over the tasks of the first metric of each."""
    values = [entry[first_metric(task)] for task, entry in tasks.items()]
    return float(sum(values) / len(values))
