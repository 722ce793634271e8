"""Measurement of a deployment: every method on the same gallery, stream and history, by kind of sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from uninote.evaluation.deployment.gallery import ALL, KINDS, Gallery, build_gallery, filed, with_enough
from uninote.evaluation.deployment.methods import (
    Method,
    Quality,
    Tuning,
    Use,
    offline_quality,
    online_quality,
)
from uninote.evaluation.deployment.offline import backcheck_recall, gain
from uninote.evaluation.deployment.online import (
    Decisions,
    Labels,
    at_volume_of,
    by_target_recall,
    hide_own,
    of_categories,
    random_order,
    retained,
)
from uninote.evaluation.metrics import Values
from uninote.evaluation.protocols import Floats, Json
from uninote.items import Note

RANDOM = "random order"
WANTED = (*KINDS, ALL)

Columns = NDArray[np.bool_]


@dataclass(frozen=True)
class Deployment:
    """Notes of a simulated platform and its gallery.

    Attributes:
        reference: notes that samples are taken from; with `validation` they are the labelled notes.
        validation: notes that choose what is chosen.
        stream: incoming notes.
        samples: most samples of a kind in a category.
        minimum: fewest samples, and fewest incoming notes, of a category that counts.
    """

    reference: Sequence[Note]
    validation: Sequence[Note]
    stream: Sequence[Note]
    samples: int = 16
    minimum: int = 3
    seed: int = 0

    @cached_property
    def notes(self) -> list[Note]:
        """All notes: the columns of every matrix of scores."""
        return [*self.reference, *self.validation, *self.stream]

    @cached_property
    def ids(self) -> list[str]:
        return [note.id for note in self.notes]

    @cached_property
    def members(self) -> dict[str, frozenset[str]]:
        """Ids of the notes of each category with `minimum` reference notes."""
        return with_enough(filed(self.notes), self.reference, minimum=self.minimum)

    @cached_property
    def gallery(self) -> Gallery:
        return build_gallery(self.reference, self.members, self.samples, self.seed)

    @cached_property
    def online(self) -> list[str]:
        """Names of the categories that have `minimum` incoming notes too."""
        return list(with_enough(self.members, self.stream, minimum=self.minimum))

    def columns(self, *groups: Sequence[Note]) -> Columns:
        """Return bool `[notes]`: the columns of these notes."""
        wanted = {note.id for group in groups for note in group}
        return np.array([id in wanted for id in self.ids])

    def labels(self, name: str, columns: Columns) -> Labels:
        """Return bool over the chosen columns: the notes of the category."""
        return np.array([id in self.members[name] for id in self.ids])[columns]

    def of_kind(self, kind: str) -> Gallery:
        return self.gallery.of_kind(kind, self.minimum)

    def online_gallery(self, kind: str) -> Gallery:
        return self.of_kind(kind).only(self.online)

    def tuning(self) -> Tuning:
        """Return what a dual tower is tuned for on the validation notes: `online KIND` and `offline KIND`."""
        columns = self.columns(self.validation)

        def use(quality: Quality, gallery: Gallery) -> Use:
            labels = {name: self.labels(name, columns) for name in gallery.rows}
            return Use(quality, gallery, {name: of for name, of in labels.items() if of.any()})

        online = {f"online {kind}": use(online_quality, self.online_gallery(kind)) for kind in WANTED}
        return online | {f"offline {kind}": use(offline_quality, self.of_kind(kind)) for kind in KINDS}


Scores = dict[str, Floats]
"""Scores by method, float32 `[samples, notes]`."""


def score(
    deployment: Deployment,
    use: str,
    gallery: Gallery,
    methods: Mapping[str, Method],
    advance: Callable[[], None],
) -> Scores:
    """Score all notes against the samples, with -inf for a sample's own note."""
    items = [note.item() for note in deployment.notes]
    found = {}
    for name, method in methods.items():
        scores = method.scores(use, [sample.item for sample in gallery.samples], items)
        found[name] = hide_own(scores, gallery, deployment.ids)
        advance()
    return found


def of_all_kinds(deployment: Deployment, of_kind: Mapping[str, Scores]) -> Scores:
    """Return the scores of the samples of all kinds, in the order of the gallery."""
    places = [n for kind in of_kind for n in deployment.gallery.places(kind)]
    order = np.argsort(places)
    names = next(iter(of_kind.values()))
    return {name: np.concatenate([of[name] for of in of_kind.values()])[order] for name in names}


def measure_online(
    deployment: Deployment,
    kind: str,
    scores: Scores,
    baselines: Sequence[str],
    target: float,
    resamples: int,
) -> Json:
    """Compare all methods with each baseline at its volume of hits on the stream.

    Args:
        baselines: names of methods whose thresholds are chosen by the recall `target` on the labelled notes.

    Returns by baseline its mean `recall`, `precision` and `volume` (hits over incoming notes), the results of
    `online.retained` by method as `methods`, and hits and recalls by category as `decisions`.
    """
    gallery = deployment.online_gallery(kind)
    stream = deployment.columns(deployment.stream)
    known = deployment.columns(deployment.reference, deployment.validation)
    labels = {name: deployment.labels(name, stream) for name in gallery.rows}
    incoming = {name: of_categories(of[:, stream], gallery) for name, of in scores.items()}
    result: Json = {}
    for baseline in baselines:
        own = by_target_recall(
            of_categories(scores[baseline][:, known], gallery),
            {name: deployment.labels(name, known) for name in gallery.rows},
            incoming[baseline],
            labels,
            target,
        )
        decided: dict[str, Decisions] = {
            name: own if name == baseline else at_volume_of(own, of, labels) for name, of in incoming.items()
        }
        decided[RANDOM] = random_order(own, int(stream.sum()))
        result[baseline] = _summary(own, int(stream.sum())) | {
            "methods": {
                name: retained(own, of, labels, resamples, deployment.seed) for name, of in decided.items()
            },
            "decisions": {
                name: {
                    "notes": int(labels[name].sum()),
                    "hits": own[name].hits,
                    "recall": {method: of[name].recall for method, of in decided.items()},
                }
                for name in own
            },
        }
    return result


def measure_offline(
    deployment: Deployment, kind: str, scores: Scores, baseline: str, ks: Sequence[int], resamples: int
) -> Json:
    """Compare the recall of back-checks in reference and incoming notes: `offline.gain` by k and method."""
    gallery = deployment.of_kind(kind)
    history = deployment.columns(deployment.reference, deployment.stream)
    ids = [id for id, stored in zip(deployment.ids, history, strict=True) if stored]
    result: Json = {}
    for k in ks:
        recalls = {
            name: backcheck_recall(of[:, history], gallery, deployment.members, ids, k)
            for name, of in scores.items()
        }
        result[str(k)] = {
            name: gain(recalls[baseline], of, resamples, deployment.seed) for name, of in recalls.items()
        }
    return result


def _summary(decisions: Decisions, notes: int) -> Json:
    precisions: Values = np.array([d.precision for d in decisions.values() if d.precision is not None])
    return {
        "recall": _mean([d.recall or 0.0 for d in decisions.values()]),
        "precision": _mean(precisions.tolist()),
        "volume": _mean([d.hits / notes for d in decisions.values()]),
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
