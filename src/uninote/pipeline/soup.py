"""Model soup: interpolation between stage 1 and stage 2, chosen on validation notes.

Interpolated weights keep abilities of both models (model soups, arXiv 2203.05482; robust fine-tuning,
arXiv 2109.01903).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from uninote.encoder.loading import load_encoder
from uninote.evaluation.evaluate import evaluate
from uninote.evaluation.headline import mean_recall
from uninote.evaluation.protocols import Json
from uninote.evaluation.suite import Suite
from uninote.pipeline.train import save_once
from uninote.pipeline.trained_relations import record
from uninote.settings import Settings
from uninote.tasks.definitions import Task
from uninote.training.merge import merge_folders

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
TOLERATED = 0.005
"""Most that the tasks with one target may lose, as a mean, to the order of Note2Note."""


class Measured(NamedTuple):
    """Numbers of one share on validation notes.

    Attributes:
        parts: mean recall@1 of the tasks with one target.
        order: nDCG of Note2Note, 0 where no note can be split.
    """

    parts: float
    order: float


def best_merge(
    first: Path,
    last: Path,
    validation: Suite,
    settings: Settings,
    features: Path | None,
    out: Path,
    shares: Sequence[float] = SHARES,
) -> tuple[float, dict[float, Measured]]:
    """Merge two models of one origin into `out` by the share that `chosen` returns.

    Returns it, and the numbers by share. Raises ModelError as `merge_folders` does.
    """
    found: dict[float, Measured] = {}
    for share in shares:
        merge_folders(first, last, share, out)
        encoder = load_encoder(out, settings, features)
        found[share] = measured(evaluate(encoder, validation, bootstrap=0, samples=0)["tasks"])
    best = chosen(found)
    merge_folders(first, last, best, out)
    save_once(load_encoder(out, settings, features), out)
    record(out, (), before=[first, last])
    return best, found


def measured(tasks: Mapping[str, Json]) -> Measured:
    """Read parts and order from the entries of the tasks."""
    order = tasks.get(Task.NOTE2NOTE.value, {})
    return Measured(
        mean_recall(tasks), next((order[name] for name in order if name.startswith("ndcg@")), 0.0)
    )


def chosen(found: Mapping[float, Measured]) -> float:
    """Return the share with the best order among those that keep the parts; of equals the smallest.

    A share keeps the parts when they lose at most `TOLERATED` of those of the smallest share.
    """
    least = found[min(found)].parts - TOLERATED
    keeping = [share for share in sorted(found) if found[share].parts >= least]
    return max(keeping, key=lambda share: found[share].order)
