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
    features = next((b.features for b in backbones if hasattr(b, "features")), None)
    if features is not None:
        methods["raw vision tower"] = raw_vision(features)
    return methods | {"perceptual hash": perceptual_hash(load), "BM25": Bm25()}
