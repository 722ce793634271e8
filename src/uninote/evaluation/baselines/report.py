"""Baselines of the report: keyword search, the dual tower by its fusions, perceptual hash."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np
from PIL import Image

from uninote.evaluation.baselines.bm25 import Bm25
from uninote.evaluation.baselines.late_fusion import FUSIONS, EncodedOnce, LateFusion, all_elements
from uninote.evaluation.baselines.phash import perceptual_hash
from uninote.evaluation.baselines.ranker import Ranker
from uninote.evaluation.baselines.tuned_fusion import TunedFusion
from uninote.evaluation.protocols import ElementEncoder
from uninote.evaluation.suite import Suite
from uninote.items import Note, Picture

KEPT = (1, 2, 4, 8, 16)
"""Numbers of elements a note that the cut dual tower may store, besides all of them."""


def report_baselines(
    tower: ElementEncoder,
    width: int,
    notes: Sequence[Note],
    validation: Callable[[], Suite | None],
    load: Callable[[Picture], Image.Image],
) -> dict[str, Callable[[], Ranker]]:
    """Return a function that makes each baseline, by name; what is tuned is tuned when it is called.

    Args:
        tower: encodes single elements, each once for all baselines.
        width: dimensions of the vector that the cut dual tower must not exceed in bytes a note.
        notes: the notes that are measured; they give the elements a note.
        validation: suite to tune on, called at most once; without one nothing is tuned.
        load: decodes a picture to RGB; may raise PictureError.
    """
    shared, tuned_on = EncodedOnce(tower), cache(validation)

    def tuned() -> Ranker:
        fusion = TunedFusion(shared)
        if suite := tuned_on():
            fusion.tune(suite)
        return fusion

    fusions = {
        f"dual tower, {name}": lambda fusion=fusion: LateFusion(shared, fusion=fusion)  # type: ignore[misc]
        for fusion, name in FUSIONS.items()
    }
    return {
        "BM25": Bm25,
        **fusions,
        "dual tower, tuned": tuned,
        "dual tower, equal bytes": lambda: cut_fusion(shared, width, notes, tuned_on()),
        "perceptual hash": lambda: perceptual_hash(load),
    }


def cut_fusion(
    encoder: ElementEncoder, width: int, notes: Sequence[Note], validation: Suite | None
) -> TunedFusion:
    """Return late fusion cut to the bytes of one vector of `width` dimensions a note.

    A note stores some of its elements, and of each so many dimensions that the notes take `4 width` bytes on
    average. Their number, from `KEPT`, has the best mean first metric on the validation suite, with the best
    fusion of each task; without a suite all are stored.
    """
    cuts = fusion_cuts(encoder, width, notes)
    return next(cuts) if validation is None else max(cuts, key=lambda fusion: fusion.tune(validation))


def fusion_cuts(encoder: ElementEncoder, width: int, notes: Sequence[Note]) -> Iterator[TunedFusion]:
    """Yield late fusion cut as `cut_fusion` does: all elements stored, then each number of `KEPT`."""
    counts = np.array([len(all_elements(note.item())) for note in notes])
    for kept in (None, *KEPT):
        stored = counts if kept is None else np.minimum(counts, kept)
        yield TunedFusion(encoder, kept=kept, dim=max(1, int(width / stored.mean())))
