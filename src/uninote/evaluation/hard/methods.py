"""Methods compared in the hard evaluation: encoders, and baselines that need no trained model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from uninote.encoder import Encoder
from uninote.evaluation.baselines.bm25 import Bm25
from uninote.evaluation.baselines.one_vector import OneVector
from uninote.evaluation.baselines.phash import perceptual_hash
from uninote.evaluation.baselines.ranker import Ranker
from uninote.evaluation.baselines.raw_vision import raw_vision
from uninote.evaluation.hard.duplicates import Load


def hard_methods(encoders: Mapping[str, Encoder], load: Load, progress: bool = False) -> dict[str, Ranker]:
    """Return the encoders by name, the first raw vision tower among them, perceptual hash and BM25."""
    methods: dict[str, Ranker] = {name: OneVector(encoder, progress) for name, encoder in encoders.items()}
    backbones: list[Any] = [encoder.backbone for encoder in encoders.values()]
    towers = next((b.towers for b in backbones if hasattr(b, "towers")), None)
    if towers is not None:
        methods["raw vision tower"] = raw_vision(towers.picture_rows)
    return methods | {"perceptual hash": perceptual_hash(load), "BM25": Bm25()}
