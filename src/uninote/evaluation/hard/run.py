"""Hard evaluation: all its tasks by group, every method on each task, and the share of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from uninote.evaluation.baselines.one_vector import OneVector
from uninote.evaluation.baselines.ranker import Ranker, evaluate_baseline
from uninote.evaluation.cut_tasks import graded_task
from uninote.evaluation.hard.agreement import chapters_task, language_tasks
from uninote.evaluation.hard.duplicates import Load, duplicate_tasks
from uninote.evaluation.hard.modality import ablated, picture_share
from uninote.evaluation.links import links_task
from uninote.evaluation.protocols import Json
from uninote.evaluation.suite import Suite, TaskSuite
from uninote.items import Note
from uninote.tasks.definitions import Task

DUPLICATES = "Near duplicates"
FILED = "Links and chapters"
LANGUAGES = "Across languages"
MODALITIES = "One modality of the query"

Groups = dict[str, list[TaskSuite]]


def hard_tasks(notes: Sequence[Note], load: Load, *, queries: int = 100, seed: int = 0) -> Groups:
    """Return the tasks that the notes allow, by group; the same notes and seed yield the same tasks.

    Args:
        load: decodes a picture to RGB; may raise PictureError.
        queries: number of pictures drawn for editing; every edit of each costs a run of the vision tower.
    """
    filed = [task for task in (links_task(notes), chapters_task(notes)) if task is not None]
    halves = graded_task(notes, Task.NOTE2NOTE, seed)
    whole = [task for task in (halves, *filed) if task.queries]
    groups = {
        DUPLICATES: [task for task in duplicate_tasks(notes, load, queries, seed) if task.queries],
        FILED: filed,
        LANGUAGES: language_tasks(notes),
        MODALITIES: [cut for task in whole for cut in ablated(task).values()],
    }
    return {name: tasks for name, tasks in groups.items() if tasks}


def evaluate_hard(
    methods: Mapping[str, Ranker],
    groups: Groups,
    notes: Sequence[Note],
    *,
    ks: Sequence[int] = (1, 5, 10),
    bootstrap: int = 1000,
    seed: int = 0,
) -> Json:
    """Measure every method on every task and return `methods`, `groups` and `picture_share`.

    `groups` holds metrics as in `evaluate_baseline`, by group, task and method; `picture_share` holds the
    result of `modality.picture_share` by task and one-vector method.
    """
    results: Json = {name: {task.name: {} for task in tasks} for name, tasks in groups.items()}
    for method, ranker in methods.items():
        for name, tasks in groups.items():
            suite = Suite(tuple(notes), tuple(tasks))
            measured = evaluate_baseline(ranker, suite, ks=ks, bootstrap=bootstrap, seed=seed)
            for task, entry in measured["tasks"].items():
                results[name][task][method] = entry
    shares: Json = {}
    for method, ranker in methods.items():
        if isinstance(ranker, OneVector):
            for task in groups.get(MODALITIES, ()):
                if task.name.endswith(": both"):
                    share = picture_share(ranker.vectors, task, bootstrap, seed)
                    if share is not None:
                        shares.setdefault(task.name.removesuffix(": both"), {})[method] = share
    return {"methods": list(methods), "groups": results, "picture_share": shares}
