"""Corpus of the experiments: notes and tower outputs of all runs; splits, pairs and suite of a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from uninote.corpus.relations.graph import Relations
from uninote.corpus.skips import SkipReport
from uninote.corpus.splits import Splits
from uninote.encoder import Encoder
from uninote.encoder.compact.backbone import CompactBackbone
from uninote.encoder.compact.settings import CompactSettings
from uninote.encoder.compact.towers import Towers
from uninote.errors import ModelError
from uninote.evaluation.copies import rereading
from uninote.evaluation.note_rows import near_rows
from uninote.evaluation.relations import relation_tasks
from uninote.evaluation.suite import Suite, build_suite
from uninote.items import Note
from uninote.pipeline.notes import annotate, distractors_of, drop_unreadable, load_notes, split
from uninote.pipeline.relations import load_behaviour
from uninote.pipeline.state import fingerprint
from uninote.pipeline.train import DRAW
from uninote.settings import EncoderSettings, Settings
from uninote.tasks.definitions import SFT_TASKS, Pair, Task
from uninote.tasks.halves import Halves
from uninote.tasks.pairs import lot, make_pairs
from uninote.tasks.related import related_pairs
from uninote.training.rl import rl_halves
from uninote.training.warmup import aligned_pairs, warm_up, warm_up_steps

CHANGEABLE = {"pooling", "layers", "dims", "principal_axes"}
"""Options of the encoder that an experiment may change: others would need other outputs of the towers."""
T = TypeVar("T")
Weights = dict[str, Tensor]
"""Trained weights: those of the aggregator."""


class BenchCorpus:
    """Corpus of all seeds: notes read, annotated and checked once; towers that every model shares.

    Args:
        settings: corpus, annotation and encoder options; an experiment may change the later sections.
        cache: annotations and outputs of the towers, kept by content.
    """

    def __init__(self, source: Path, settings: Settings, cache: Path, progress: bool = False) -> None:
        if not isinstance(settings.encoder, CompactSettings):
            raise ModelError(
                "experiments run on the compact backbone: leave encoder.model and encoder.backbone out"
            )
        settings.encoder.require_own()
        skips = SkipReport()
        notes = annotate(load_notes(source, settings, skips), settings, cache, skips, progress)
        self.notes = drop_unreadable(notes, settings.corpus, skips, progress)
        self.behaviour = load_behaviour(source, self.notes, settings, skips)
        towers = Towers.open(settings.encoder, settings.corpus, cache / "elements")
        towers.fill_pictures([picture for note in self.notes for picture in note.pictures], progress)
        self._first = CompactBackbone.on(towers, settings.encoder)
        self.reread = rereading(settings, cache, progress)
        self.near = near_rows(settings, towers.folder, progress)
        self.settings, self.source = settings, source
        self._pairs: dict[tuple[Task, bool], list[Pair]] = {}

    @cached_property
    def key(self) -> str:
        """Hash of the notes and of the settings that prepare them."""
        settings = self.settings
        known = (self.behaviour.key,) if self.behaviour else ()
        return fingerprint(self.notes, settings.corpus, settings.annotate, settings.encoder, *known)

    def pairs(self, task: Task, modal_replacement: bool) -> list[Pair]:
        """Return all pairs of a task, of train and test alike; of a note task one per note."""
        key = (task, modal_replacement or not task.spec.hides_picture)
        if key not in self._pairs:
            per_note = 1 if task.spec.one_per_note else None
            self._pairs[key] = make_pairs(
                self.notes, task, per_note=per_note, seed=DRAW, modal_replacement=modal_replacement
            )
        return self._pairs[key]

    def remember(self, progress: bool = False) -> None:
        """Run the towers over the items of all pairs, for other processes to find in the cache."""
        pairs = [
            pair for task in SFT_TASKS for replaced in (True, False) for pair in self.pairs(task, replaced)
        ]
        items = [item for pair in pairs for item in (pair.query, pair.positive, pair.counterfactual) if item]
        self._first.remember(items, progress=progress)

    def encoder_settings(self, wanted: EncoderSettings) -> CompactSettings:
        """Return the corpus's own settings with what an experiment may change: pooling, dimensions, axes."""
        changed = {name: getattr(wanted, name) for name in CHANGEABLE & wanted.model_fields_set}
        own = self.settings.encoder
        assert isinstance(own, CompactSettings)
        return own.model_copy(update=changed)

    def model(self, seed: int, settings: CompactSettings) -> Encoder:
        """Return a new untrained aggregator on the shared towers and caches."""
        return Encoder(self._first.sibling(settings, seed), settings)

    def with_weights(self, state: Weights, settings: CompactSettings) -> Encoder:
        """Return an aggregator with these weights on the shared towers and caches."""
        backbone = self._first.sibling(settings)
        backbone.aggregator.load_state_dict(state)
        return Encoder(backbone, settings)


def trained_weights(encoder: Encoder) -> Weights:
    """Return copies of the weights on the CPU."""
    backbone = encoder.backbone
    assert isinstance(backbone, CompactBackbone)
    return {name: tensor.detach().cpu().clone() for name, tensor in backbone.aggregator.state_dict().items()}


class SeedCorpus:
    """Corpus of one seed: the split into train and test, the pairs, and the evaluation suite.

    Args:
        measured: the notes that models are measured on; `validation` is for choosing settings.
    """

    def __init__(self, corpus: BenchCorpus, seed: int, measured: str = "test") -> None:
        self.corpus, self.seed, self.measured = corpus, seed, measured
        self._pairs: dict[bool, list[Pair]] = {}
        self._kept: dict[str, tuple[object, Any]] = {}

    def kept(self, name: str, key: object, make: Callable[[], T]) -> T:
        """Return what `make` made for the key, kept until the next key: runs of one training set follow."""
        if name not in self._kept or self._kept[name][0] != key:
            self._kept[name] = (key, make())
        found: T = self._kept[name][1]
        return found

    @cached_property
    def splits(self) -> Splits:
        return split(self.corpus.notes, self.corpus.settings.model_copy(update={"seed": self.seed}))

    @property
    def notes(self) -> list[Note]:
        return list(self.splits.train)

    @cached_property
    def suite(self) -> Suite:
        corpus = self.corpus
        return build_suite(
            getattr(self.splits, self.measured),
            DRAW,
            extra=relation_tasks(corpus.behaviour),
            reread=corpus.reread,
            distractors=distractors_of(self.splits, self.measured, corpus.settings),
            near=corpus.near,
        )

    @cached_property
    def relations(self) -> Relations | None:
        """Related training notes, if the corpus has relations."""
        return self.corpus.behaviour.training(self.notes) if self.corpus.behaviour else None

    def pairs(self, modal_replacement: bool = True) -> list[Pair]:
        """Return the training pairs, in the order of the tasks."""
        if modal_replacement not in self._pairs:
            own = {note.id for note in self.notes}
            self._pairs[modal_replacement] = [
                pair
                for task in SFT_TASKS
                for pair in self.corpus.pairs(task, modal_replacement)
                if pair.note_id in own
            ]
        return self._pairs[modal_replacement]

    def drawn(self, most: int, modal_replacement: bool) -> list[Pair]:
        """Return at most the given number of pairs of each task, drawn by the seed."""
        pairs = self.pairs(modal_replacement)
        return [
            pair
            for task in SFT_TASKS
            for pair in sorted((p for p in pairs if p.task is task), key=lambda p: lot(self.seed, p))[:most]
        ]

    def related(self, most: int | None = None) -> list[Pair]:
        """Return at most the given number of pairs of related notes, drawn by the seed; None: all."""
        relations = self.relations or Relations()
        return related_pairs(self.notes, relations, 2 * len(relations) if most is None else most, self.seed)

    def warmed_up(self, settings: CompactSettings) -> Encoder:
        """Train the warm-up: φ of stage 1, and its start in experiments with that start."""
        encoder = self.corpus.model(self.seed, settings)
        pairs = self.pairs()
        warm_up(encoder, pairs, warm_up_steps(len(aligned_pairs(pairs))), self.seed)
        return encoder

    def samples(self, settings: Settings) -> Sequence[Halves]:
        return rl_halves(self.notes, settings.rl, DRAW, self.relations)
