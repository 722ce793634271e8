"""Model soup: interpolation between stage 1 and stage 2, chosen on validation notes.

Interpolated weights keep abilities of both models (model soups, arXiv 2203.05482; robust fine-tuning,
arXiv 2109.01903).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from uninote.encoder.loading import load_encoder
from uninote.evaluation.evaluate import evaluate
from uninote.evaluation.headline import mean_of_all
from uninote.evaluation.suite import Suite
from uninote.pipeline.train import save_once
from uninote.pipeline.trained_relations import record
from uninote.settings import Settings
from uninote.training.merge import merge_folders

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def best_merge(
    first: Path,
    last: Path,
    validation: Suite,
    settings: Settings,
    features: Path | None,
    out: Path,
    shares: Sequence[float] = SHARES,
) -> tuple[float, dict[float, float]]:
    """Merge two models of one origin into `out` by the share with the best mean of all tasks.

    Among equal means the first share wins. Returns it, and the means by share. Raises ModelError as
    `merge_folders` does.
    """
    means: dict[float, float] = {}
    for share in shares:
        merge_folders(first, last, share, out)
        encoder = load_encoder(out, settings, features)
        means[share] = mean_of_all(evaluate(encoder, validation, bootstrap=0, samples=0)["tasks"])
    best = max(means, key=means.__getitem__)
    merge_folders(first, last, best, out)
    save_once(load_encoder(out, settings, features), out)
    record(out, (), before=[first, last])
    return best, means
