"""Evaluation of one encoder on the suite: all tasks, all Matryoshka dimensions, intervals, examples."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import numpy as np

from uninote.encoder.matryoshka import truncate_numpy
from uninote.evaluation.examples import draw_examples
from uninote.evaluation.headline import task_means
from uninote.evaluation.metrics import Values
from uninote.evaluation.protocols import ItemEncoder, Json
from uninote.evaluation.scoring import depth, per_query, summary
from uninote.evaluation.search import nearest
from uninote.evaluation.suite import Suite
from uninote.evaluation.variants import TOLD_APART, changes_pool
from uninote.evaluation.vectors import ItemVectors


def evaluate(
    encoder: ItemEncoder,
    suite: Suite,
    *,
    ks: Sequence[int] = (1, 5, 10),
    dims: Sequence[int] | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    samples: int = 6,
    progress: bool = False,
) -> Json:
    """Measure one stage of the report by exact cosine search, at full width and every Matryoshka dimension.

    Args:
        ks: cut-offs of the metrics; 1 is always among them.
        dims: dimensions to measure; None for all of the encoder's.
        bootstrap: resamples for the 95 % intervals; 0 for none.
        samples: queries per task whose results are kept as examples; the draw depends on the seed and the
            suite only, so that stages show the same queries.

    Returns `tasks` and `extra` (metrics in [0, 1] by task name, at full width), `means` (see
    `headline.task_means`), `dims` (metrics without intervals by dimension, not of tasks with other
    pools), `per_query` (metrics at 1 and `TOLD_APART`, for paired intervals), `examples`, `cost`, `timing_s`,
    and the suite's fingerprint as `suite`.
    """
    ks = sorted({1, *ks})
    started = perf_counter()
    vectors = ItemVectors(encoder, progress)
    vectors.add_suite(suite)
    encoded = perf_counter()
    widths = sorted(dims or encoder.dims)
    extra = {task.name for task in suite.extra}
    measured: dict[str, dict[str, Values]] = {}
    result: Json = {"tasks": {}, "extra": {}, "dims": {str(dim): {} for dim in widths}, "per_query": {}}
    for task in suite.all_tasks:
        queries = vectors.of([query.item for query in task.queries], task.instruction)
        targets = vectors.of(task.targets)
        _, ids = nearest(task, queries, targets, depth(task, ks))
        values = measured[task.name] = per_query(task, ids, ks)
        result["extra" if task.name in extra else "tasks"][task.name] = summary(task, values, bootstrap, seed)
        result["per_query"][task.name] = {
            name: np.round(column, 4).tolist()
            for name, column in values.items()
            if name.endswith("@1") or name == TOLD_APART
        }
        if changes_pool(task.name):
            continue
        for dim in widths:
            short = (truncate_numpy(queries, dim), truncate_numpy(targets, dim))
            values = per_query(task, nearest(task, *short, max(ks))[1], ks)
            result["dims"][str(dim)][task.name] = summary(task, values, 0, seed)
    searched = perf_counter()
    width = queries.shape[1]
    return result | {
        "means": task_means(measured, bootstrap, seed),
        "suite": suite.fingerprint,
        "cost": {"dim": width, "bytes_per_note": 4 * width, "vectors_per_note": 1.0},
        "timing_s": {
            "encode": encoded - started,
            "encode_per_item": (encoded - started) / len(suite.items),
            "search": searched - encoded,
        },
        "examples": draw_examples(vectors, suite, samples, seed),
    }
