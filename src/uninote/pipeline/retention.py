"""Deployment of models in simulation: recall that one vector a note retains of a dual tower's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from uninote.corpus.skips import SkipReport
from uninote.encoder.loading import load_encoder
from uninote.encoder.saved import reading
from uninote.errors import NoteError
from uninote.evaluation.baselines.bm25 import Bm25
from uninote.evaluation.baselines.late_fusion import EncodedOnce
from uninote.evaluation.deployment.gallery import ALL, KINDS
from uninote.evaluation.deployment.measure import (
    WANTED,
    Deployment,
    measure_offline,
    measure_online,
    of_all_kinds,
    score,
)
from uninote.evaluation.deployment.methods import (
    FusionMethod,
    KeywordMethod,
    Method,
    OneVectorMethod,
    cut_dual_tower,
    dual_tower,
)
from uninote.evaluation.deployment.tables import headline
from uninote.evaluation.protocols import Json
from uninote.evaluation.vectors import ItemVectors
from uninote.pipeline.notes import drop_unreadable, load_notes, split
from uninote.progress import show_progress
from uninote.settings import Settings

BEST, CUT = "dual tower", "dual tower, equal bytes"


def measure_retention(
    source: Path,
    models: Sequence[Path],
    settings: Settings,
    features: Path | None,
    *,
    tower: Path | None = None,
    samples: int = 16,
    minimum: int = 3,
    target: float = 0.5,
    ks: Sequence[int] = (10, 50, 100),
    progress: bool = True,
) -> Json:
    """Simulate online matching and back-checks on the split of the seed.

    Args:
        models: folders of one-vector models; each is measured at all its Matryoshka dimensions.
        tower: folder of the model whose vectors of single elements are the dual tower; None: the first model.
        samples, minimum: see `Deployment`.
        target: recall on labelled notes that chooses the thresholds of the dual tower.
        ks: cut-offs of back-checks.

    Returns `setting`, `methods` (costs by name), `online` and `offline` by kind of sample (see
    `measure_online`, `measure_offline`), and `headline`. Raises NoteError when no category has enough notes.
    """
    skips = SkipReport()
    notes = load_notes(source, reading(settings, *models), skips)
    notes = drop_unreadable(notes, settings.corpus, skips, progress)
    parts = split(notes, settings)
    deployment = Deployment(
        parts.train, parts.validation, parts.test, samples=samples, minimum=minimum, seed=settings.seed
    )
    if not deployment.online_gallery(ALL).rows:
        raise NoteError(
            f"no category has {minimum} reference notes and {minimum} incoming ones: set `category` or "
            "`tags` in more notes, or lower --minimum"
        )
    methods = _methods(deployment, models, tower or models[0], settings, features, progress)
    online: Json = {}
    offline: Json = {}
    resamples = settings.evaluation.bootstrap
    with show_progress("matching", (len(WANTED) + len(KINDS)) * len(methods), show=progress) as bar:
        for kind in WANTED:
            gallery = deployment.online_gallery(kind)
            found = score(deployment, f"online {kind}", gallery, methods, bar.advance)
            online[kind] = measure_online(deployment, kind, found, (BEST, CUT), target, resamples)
        searched = {
            kind: score(deployment, f"offline {kind}", deployment.of_kind(kind), methods, bar.advance)
            for kind in KINDS
        }
        for kind, found in (searched | {ALL: of_all_kinds(deployment, searched)}).items():
            offline[kind] = measure_offline(deployment, kind, found, BEST, ks, resamples)
    result: Json = {
        "setting": {
            "seed": settings.seed,
            "samples": samples,
            "minimum": minimum,
            "target_recall": target,
            "baseline": BEST,
            "notes": {
                "reference": len(parts.train),
                "validation": len(parts.validation),
                "incoming": len(parts.test),
            },
            "samples_drawn": {kind: len(deployment.of_kind(kind).samples) for kind in WANTED},
            "choices": {
                name: {use: list(choice) for use, choice in method.choices.items()}
                for name, method in methods.items()
                if isinstance(method, FusionMethod)
            },
        },
        "methods": _costs(deployment, methods),
        "online": online,
        "offline": offline,
    }
    return result | {"headline": headline(result)}


def _methods(
    deployment: Deployment,
    models: Sequence[Path],
    tower: Path,
    settings: Settings,
    features: Path | None,
    progress: bool,
) -> dict[str, Method]:
    vectors: dict[str, tuple[ItemVectors, tuple[int, ...]]] = {}
    for model in models:
        encoder = load_encoder(model, settings, features)
        name = model.name if model.name not in vectors else str(model)
        vectors[name] = ItemVectors(encoder, progress), tuple(encoder.dims)
    elements = EncodedOnce(load_encoder(tower, settings, features))
    validation = [note.item() for note in deployment.validation]
    tuning = deployment.tuning()
    width = max(max(dims) for _, dims in vectors.values())
    methods: dict[str, Method] = {
        BEST: dual_tower(elements, tuning, validation),
        CUT: cut_dual_tower(elements, width, deployment.stream, tuning, validation),
    }
    for name, (of, dims) in vectors.items():
        methods |= {f"{name}, {dim}": OneVectorMethod(of, dim) for dim in reversed(dims)}
    return methods | {"BM25": KeywordMethod(Bm25())}


def _costs(deployment: Deployment, methods: Mapping[str, Method]) -> Json:
    return {
        name: dict(method.cost(deployment.stream))
        | ({"model": name.rpartition(", ")[0]} if isinstance(method, OneVectorMethod) else {})
        for name, method in methods.items()
    }
