"""View model of the report's template: computes the values that it shows, without markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from uninote.errors import ConfigError
from uninote.evaluation.headline import (
    MEANT,
    best_in_row,
    changes,
    first_metric,
    mean_changes,
    told_apart_of,
)
from uninote.evaluation.protocols import Json
from uninote.evaluation.thumbnails import Thumbnails
from uninote.evaluation.variants import (
    MEANINGS,
    POOLS,
    TOLD_APART,
    VARIANTS,
    Variant,
    changes_pool,
)
from uninote.items import Item, Picture
from uninote.tasks.definitions import INSTRUCTIONS, META_TASKS, Task, in_words
from uninote.tasks.related import RELATIONS

PICTURES_SHOWN = 3
TEXT_SHOWN = 150
PER_TASK = 2
"""Hits, and as many misses, shown per task."""
BEYOND = {RELATIONS: "Find the notes that this note is related to, e.g. by the users of both."}
"""Meanings of tasks that are no member of `Task`."""


def cutoffs(report: Json) -> list[int]:
    """Return the k of every recall@k in the report, ascending."""
    entries = [entry for stage in report["stages"].values() for entry in stage["tasks"].values()]
    names = {name for entry in entries for name in entry if name.startswith("recall@") and "_" not in name}
    return sorted(int(name.removeprefix("recall@")) for name in names)


def mean_rows(report: Json, bootstrap: int = 1000, seed: int = 0) -> list[Json]:
    """Return the rows of the means: one value per method, and first-to-last change."""
    stages = list(report["stages"].values())
    change = mean_changes(stages[0], stages[-1], bootstrap, seed) if len(stages) > 1 else {}
    rows = []
    for name in stages[-1].get("means", {}):
        entries = [method.get("means", {}).get(name) for method in _methods(report).values()]
        row: Json = {"name": f"mean of {name}", "meaning": MEANT[name], "change": change.get(name)}
        rows.append(row | {"values": _values(entries, "mean")})
    return rows


def recall_rows(report: Json, bootstrap: int = 1000, seed: int = 0) -> list[Json]:
    """Return the rows of the main table, one per task: stages, then baselines, and first-to-last change.

    Tasks with other pools are in `pool_rows`.
    """
    methods = _methods(report)
    stages = list(report["stages"].values())
    change = changes(stages[0], stages[-1], bootstrap, seed) if len(stages) > 1 else {}
    copies = bool(report["dataset"].get("edited_copies"))
    rows = []
    for section in ("tasks", "extra"):
        for task in task_names(methods, section):
            if changes_pool(task):
                continue
            entries = [method.get(section, {}).get(task) for method in methods.values()]
            best = {k: best_in_row(entries, f"recall@{k}") for k in cutoffs(report)}
            cells = [_cell(entry, {k for k in best if i in best[k]}) for i, entry in enumerate(entries)]
            facts = report["dataset"]["tasks"].get(task, {})
            row: Json = {"task": task, "group": _group(task), "meaning": meaning(task, copies)}
            rows.append(row | {"cells": cells, "change": change.get(task), "facts": facts})
    return rows


def pool_rows(report: Json, bootstrap: int = 1000, seed: int = 0) -> list[Json]:
    """Return the rows of the tasks with other pools, at rank 1, after those of the strict notes.

    One per task, and one per task with twins for the share told apart; values and change as in `mean_rows`.
    """
    methods = _methods(report)
    stages = list(report["stages"].values())
    change = changes(stages[0], stages[-1], bootstrap, seed) if len(stages) > 1 else {}
    rows = []
    for variant in (Variant.STRICT, *POOLS):
        names = [task for task in task_names(methods, "extra") if VARIANTS.get(task, ("", ""))[1] == variant]
        for apart in (False, True):
            for task in names:
                entries = [method.get("extra", {}).get(task) for method in methods.values()]
                metric = TOLD_APART if apart else first_metric(task)
                if apart and not any(entry and TOLD_APART in entry for entry in entries):
                    continue
                able = [None if entry and "note" in entry else entry for entry in entries]
                name = told_apart_of(task) if apart else task
                row: Json = {"task": name, "metric": metric, "group": variant, "meaning": MEANINGS[variant]}
                row |= {"facts": report["dataset"]["tasks"][task], "change": change.get(name)}
                rows.append(row | {"values": _values(able, metric)})
    return rows


def graded_rows(report: Json) -> list[Json]:
    """Return the table of tasks with several relevant targets: one row per metric, one value per method."""
    methods = _methods(report)
    rows = []
    for section in ("tasks", "extra"):
        for task in task_names(methods, section):
            entries = [method.get(section, {}).get(task) for method in methods.values()]
            for metric in _graded_metrics(entries):
                rows.append({"task": task, "metric": metric, "values": _values(entries, metric)})
    return rows


def part_rows(report: Json) -> list[Json]:
    """Return recall@1 of parts of the queries: one row per task and part, one value per method."""
    methods = _methods(report)
    rows = []
    for section in ("tasks", "extra"):
        for task in task_names(methods, section):
            entries = [method.get(section, {}).get(task, {}).get("parts", {}) for method in methods.values()]
            for part in dict.fromkeys(part for entry in entries for part in entry):
                found = [entry.get(part) for entry in entries]
                queries = next(entry["n_queries"] for entry in found if entry)
                row: Json = {"task": task, "part": part, "n_queries": queries}
                rows.append(row | {"entries": found, "values": _values(found, "recall@1")})
    return rows


def cost_rows(report: Json) -> list[Json]:
    """Return bytes and vectors a note, and quality (the first of `MEANS`), of last stage and baselines.

    `times` is a method's bytes over those of the last stage; `share` the last stage's quality over that of a
    method that can do every task.
    """
    name, last = list(report["stages"].items())[-1]
    own = _quality(last)
    rows = []
    for method, entry in {name: last, **report["baselines"]}.items():
        quality = _quality(entry)
        times = entry["cost"]["bytes_per_note"] / last["cost"]["bytes_per_note"]
        able = not any("note" in result for result in entry["tasks"].values())
        row: Json = {"name": method, "cost": entry["cost"], "times": times, "mean": quality}
        rows.append(row | {"share": own / quality if own and quality and able else None})
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


def task_names(methods: Mapping[str, Json], section: str) -> list[str]:
    """Return the tasks of a section, those of `Task` first."""
    found = dict.fromkeys(task for method in methods.values() for task in method.get(section, {}))
    order = [task.value for task in Task]
    return sorted(found, key=lambda task: order.index(task) if task in order else len(order))


def meaning(task: str, copies: bool = False) -> str:
    """Return the instruction of the task, and what its pictures or notes are.

    copies: whether edited copies stand for the pictures whose text is sought.
    """
    if task in VARIANTS:
        known, variant = VARIANTS[task]
        return f"{INSTRUCTIONS[known]} {MEANINGS[variant]}"
    if task not in set(Task):
        return BEYOND.get(task, "Find the notes that this note links to.")
    edited = " The picture is an edited copy." if copies and Task(task).spec.edited else ""
    return INSTRUCTIONS[Task(task)] + edited


def _quality(method: Json) -> float | None:
    means: dict[str, Json] = method.get("means", {})
    return next((mean["mean"] for mean in means.values()), None)


def _methods(report: Json) -> dict[str, Json]:
    return {**report["stages"], **report["baselines"]}


def _group(task: str) -> str:
    if task in VARIANTS:
        return "The same tasks, measured in another way"
    return next((name for name, tasks in META_TASKS.items() if task in tasks), f"Beyond the {in_words(Task)}")


def _cell(entry: Json | None, best: set[int]) -> Json | None:
    if entry is None or "note" in entry:
        return {"note": entry["note"] if entry else "not measured"}
    ks = [
        int(name.removeprefix("recall@")) for name in entry if name.startswith("recall@") and "_" not in name
    ]
    return {"values": {k: _value(entry, f"recall@{k}", k in best) for k in ks}}


def _values(entries: Sequence[Json | None], metric: str) -> list[Json | None]:
    """Return the metric of each entry as a value; the best is marked."""
    best = best_in_row(entries, metric)
    return [
        _value(entry, metric, i in best) if entry and metric in entry else None
        for i, entry in enumerate(entries)
    ]


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
