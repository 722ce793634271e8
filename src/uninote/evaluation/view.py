"""View model of the report's template: computes the values that it shows, without markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from uninote.errors import ConfigError
from uninote.evaluation.headline import best_in_row, changes
from uninote.evaluation.protocols import Json
from uninote.evaluation.thumbnails import Thumbnails
from uninote.items import Item, Picture
from uninote.tasks.definitions import INSTRUCTIONS, META_TASKS, Task, in_words

PICTURES_SHOWN = 3
TEXT_SHOWN = 150
PER_TASK = 2
"""Hits, and as many misses, shown per task."""


def cutoffs(report: Json) -> list[int]:
    """Return the k of every recall@k in the report, ascending."""
    entries = [entry for stage in report["stages"].values() for entry in stage["tasks"].values()]
    names = {name for entry in entries for name in entry if name.startswith("recall@") and "_" not in name}
    return sorted(int(name.removeprefix("recall@")) for name in names)


def recall_rows(report: Json, bootstrap: int = 1000, seed: int = 0) -> list[Json]:
    """Return the rows of the main table, one per task: stages, then baselines, and first-to-last change."""
    methods = {**report["stages"], **report["baselines"]}
    stages = list(report["stages"].values())
    change = changes(stages[0], stages[-1], bootstrap, seed) if len(stages) > 1 else {}
    rows = []
    for section in ("tasks", "extra"):
        for task in _names(methods, section):
            entries = [method.get(section, {}).get(task) for method in methods.values()]
            best = {k: best_in_row(entries, f"recall@{k}") for k in cutoffs(report)}
            cells = [_cell(entry, {k for k in best if i in best[k]}) for i, entry in enumerate(entries)]
            facts = report["dataset"]["tasks"].get(task, {})
            rows.append({"task": task, "group": _group(task), "meaning": meaning(task), "facts": facts})
            rows[-1] |= {"cells": cells, "change": change.get(task)}
    return rows


def graded_rows(report: Json) -> list[Json]:
    """Return the table of tasks with several relevant targets: one row per metric, one value per method."""
    methods = {**report["stages"], **report["baselines"]}
    rows = []
    for section in ("tasks", "extra"):
        for task in _names(methods, section):
            entries = [method.get(section, {}).get(task) for method in methods.values()]
            for metric in _graded_metrics(entries):
                best = best_in_row(entries, metric)
                values = [
                    None if not entry else _value(entry, metric, i in best) for i, entry in enumerate(entries)
                ]
                rows.append({"task": task, "metric": metric, "values": values})
    return rows


def example_groups(report: Json, items: Mapping[str, Item], thumbnails: Thumbnails) -> list[Json]:
    """Return hits and misses of the last stage by task, with the rank of the relevant target at every stage.

    Raises ConfigError when an item of the examples is not in `items`, because they are of another suite.
    """
    stages = report["stages"]
    last = list(stages.values())[-1]
    groups = []
    for task, examples in last.get("examples", {}).items():
        hits = [example for example in examples if example["best_rank"] == 1][:PER_TASK]
        misses = [example for example in examples if example["best_rank"] > 1][:PER_TASK]
        shown = []
        for example in hits + misses:
            ranks = {name: _rank(stage, task, example["query"]) for name, stage in stages.items()}
            shown.append(_example(example, items, thumbnails) | {"ranks": ranks})
        found = sum(example["best_rank"] == 1 for example in examples)
        groups.append({"task": task, "meaning": meaning(task), "examples": shown})
        groups[-1] |= {"found": found, "drawn": len(examples)}
    return [group for group in groups if group["examples"]]


def explain(why: Json) -> str:
    """Describe in one line what query and result share."""
    reasons = []
    if count := why.get("pictures"):
        reasons.append("same picture" if count == 1 else f"{count} same pictures")
    if lines := why.get("ocr"):
        reasons.append("same text in picture: " + ", ".join(f"“{_shortened(line, 40)}”" for line in lines))
    elif shared := why.get("words"):
        reasons.append("shared words: " + ", ".join(shared))
    if part := why.get("nearest"):
        reasons.append(f"nearest part: {_shortened(part['part'], 44)} ({part['score']:.2f})")
    return "; ".join(reasons) or "no word, line or picture in common"


def meaning(task: str) -> str:
    """Return the instruction of the task."""
    return INSTRUCTIONS[Task(task)] if task in set(Task) else "Find the notes that this note links to."


def _names(methods: Mapping[str, Json], section: str) -> list[str]:
    found = {task for method in methods.values() for task in method.get(section, {})}
    order = [task.value for task in Task]
    return sorted(found, key=lambda task: (order.index(task) if task in order else len(order), task))


def _group(task: str) -> str:
    return next((name for name, tasks in META_TASKS.items() if task in tasks), f"Beyond the {in_words(Task)}")


def _cell(entry: Json | None, best: set[int]) -> Json | None:
    if entry is None or "note" in entry:
        return {"note": entry["note"] if entry else "not measured"}
    ks = [
        int(name.removeprefix("recall@")) for name in entry if name.startswith("recall@") and "_" not in name
    ]
    return {"values": {k: _value(entry, f"recall@{k}", k in best) for k in ks}}


def _value(entry: Json, metric: str, best: bool) -> Json:
    low, high = entry.get(f"{metric}_interval", (None, None))
    return {"mean": entry[metric], "low": low, "high": high, "best": best}


def _graded_metrics(entries: Sequence[Json | None]) -> list[str]:
    names = dict.fromkeys(name for entry in entries if entry for name in entry)
    return [name for name in names if name.startswith(("precision@", "ndcg@")) and "_" not in name]


def _rank(stage: Json, task: str, query: str) -> int | None:
    examples = stage.get("examples", {}).get(task, [])
    return next((example["best_rank"] for example in examples if example["query"] == query), None)


def _example(example: Json, items: Mapping[str, Item], thumbnails: Thumbnails) -> Json:
    top = [
        _shown(items, result["key"], thumbnails)
        | {"score": result["score"], "right": result["grade"] > 0, "why": explain(result["why"])}
        for result in example["top"]
    ]
    missed = None
    if example["best_rank"] > len(top):
        missed = _shown(items, example["best_relevant"], thumbnails)
    query = _shown(items, example["query"], thumbnails)
    return {"query": query, "note": example["note"], "top": top, "missed": missed} | {
        "rank": example["best_rank"],
        "relevant": example["relevant"],
    }


def _shown(items: Mapping[str, Item], key: str, thumbnails: Thumbnails) -> Json:
    if key not in items:
        raise ConfigError("the examples are of another suite: use the notes and the seed they were made with")
    item = items[key]
    pictures = [
        {"name": thumbnails.name(picture), "alt": picture.description or "picture"}
        for picture in item.pictures[:PICTURES_SHOWN]
    ]
    texts = [part for part in item.parts if not isinstance(part, Picture)]
    more = len(item.pictures) - len(pictures)
    return {"pictures": pictures, "more": more, "text": _shortened(" · ".join(texts), TEXT_SHOWN)}


def _shortened(text: str, most: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
