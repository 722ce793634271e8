"""Methods that score notes against samples: one vector, late fusion of a dual tower, keyword search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from uninote.encoder.matryoshka import truncate_numpy
from uninote.evaluation.baselines.bm25 import Bm25, item_words
from uninote.evaluation.baselines.report import fusion_cuts
from uninote.evaluation.baselines.tuned_fusion import Choice, TunedFusion
from uninote.evaluation.deployment.gallery import Gallery
from uninote.evaluation.deployment.online import Labels, of_categories
from uninote.evaluation.metrics import average_precision
from uninote.evaluation.protocols import ElementEncoder, Floats, Json
from uninote.evaluation.vectors import ItemVectors
from uninote.items import Item, Note


class Method(Protocol):
    def scores(self, use: str, samples: Sequence[Item], notes: Sequence[Item]) -> Floats:
        """Return float32 `[samples, notes]` for one use (see `Tuning`), -inf where nothing is compared."""
        ...

    def cost(self, notes: Sequence[Note]) -> Json:
        """Return `bytes_per_note` and `vectors_per_note`."""
        ...


class OneVectorMethod:
    """Cosine of one vector a sample and one a note, both as items of the corpus.

    Args:
        dim: first dimensions kept, brought to unit length.
    """

    def __init__(self, vectors: ItemVectors, dim: int) -> None:
        self._vectors = vectors
        self._dim = dim

    def scores(self, use: str, samples: Sequence[Item], notes: Sequence[Item]) -> Floats:
        self._vectors.add([*samples, *notes])
        ours, theirs = (truncate_numpy(self._vectors.of(items), self._dim) for items in (samples, notes))
        return np.asarray(ours @ theirs.T, dtype=np.float32)

    def cost(self, notes: Sequence[Note]) -> Json:
        return {"bytes_per_note": 4.0 * self._dim, "vectors_per_note": 1.0}


class FusionMethod:
    """Late fusion of element vectors, by the choice of each use."""

    def __init__(self, fusion: TunedFusion, choices: Mapping[str, Choice]) -> None:
        self._fusion = fusion
        self.choices = dict(choices)

    def scores(self, use: str, samples: Sequence[Item], notes: Sequence[Item]) -> Floats:
        return self._fusion.scores(samples, notes, self.choices[use])

    def cost(self, notes: Sequence[Note]) -> Json:
        return self._fusion.cost(notes)


class KeywordMethod:
    """BM25 of a sample's words, per word so that samples of any length compare, as s / (1 + s)."""

    def __init__(self, bm25: Bm25) -> None:
        self._bm25 = bm25

    def scores(self, use: str, samples: Sequence[Item], notes: Sequence[Item]) -> Floats:
        lengths = np.array([max(1, len(item_words(sample))) for sample in samples])
        weight = np.maximum(self._bm25.scores(samples, notes), 0) / lengths[:, None]
        return np.where(weight > 0, weight / (1 + weight), -np.inf).astype(np.float32)

    def cost(self, notes: Sequence[Note]) -> Json:
        return self._bm25.cost(notes)


Quality = Callable[[Floats, Gallery, Mapping[str, Labels]], float]


def online_quality(scores: Floats, gallery: Gallery, labels: Mapping[str, Labels]) -> float:
    """Compute the mean over categories of the average precision of their scores."""
    of = of_categories(scores, gallery)
    return float(np.mean([average_precision(of[name], labels[name]) for name in labels]))


def offline_quality(scores: Floats, gallery: Gallery, labels: Mapping[str, Labels]) -> float:
    """Compute the mean over categories of the mean average precision of their samples, each alone."""
    return float(
        np.mean(
            [
                np.mean([average_precision(scores[row], right) for row in gallery.rows[name]])
                for name, right in labels.items()
            ]
        )
    )


class Use(NamedTuple):
    """Purpose that a dual tower is tuned for.

    labels: bool `[validation notes]` of each category that has one of them.
    """

    quality: Quality
    gallery: Gallery
    labels: Mapping[str, Labels]


Tuning = Mapping[str, Use]


def tuned(fusion: TunedFusion, tuning: Tuning, notes: Sequence[Item]) -> tuple[FusionMethod, float]:
    """Choose fusion and weights of each use by its quality on validation notes.

    Without a labelled note the first choice is taken. Returns the method and the mean quality of the uses.
    """
    choices: dict[str, Choice] = {}
    best: list[float] = []
    for use, (quality, gallery, labels) in tuning.items():
        if not labels:
            choices[use] = Choice()
            continue
        labelled = gallery.only(labels)
        found = {
            choice: quality(scores, labelled, labels)
            for choice, scores in fusion.every_choice([s.item for s in labelled.samples], notes)
        }
        choices[use] = max(found, key=found.__getitem__)
        best.append(found[choices[use]])
    return FusionMethod(fusion, choices), float(np.mean(best)) if best else 0.0


def dual_tower(encoder: ElementEncoder, tuning: Tuning, notes: Sequence[Item]) -> FusionMethod:
    """Return the dual tower with all elements, at its best on the validation notes."""
    return tuned(TunedFusion(encoder), tuning, notes)[0]


def cut_dual_tower(
    encoder: ElementEncoder, width: int, stored: Sequence[Note], tuning: Tuning, notes: Sequence[Item]
) -> FusionMethod:
    """Return the dual tower cut to the bytes of one vector of `width`: the best of `fusion_cuts`."""
    cuts = [tuned(fusion, tuning, notes) for fusion in fusion_cuts(encoder, width, stored)]
    return max(cuts, key=lambda cut: cut[1])[0]
