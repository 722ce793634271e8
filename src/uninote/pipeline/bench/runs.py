"""Run of one variant with one seed: training on frozen towers, evaluation, cached results."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from time import perf_counter

from safetensors.torch import load_file

from uninote.encoder import Encoder
from uninote.encoder.shards import write_shard
from uninote.evaluation.baselines.late_fusion import LateFusion
from uninote.evaluation.baselines.ranker import evaluate_baseline
from uninote.evaluation.evaluate import evaluate
from uninote.evaluation.protocols import Json
from uninote.evaluation.results import write_json
from uninote.negatives import Example, ReferenceIndex, mine_from_index, pair_items
from uninote.pipeline.bench.corpus import SeedCorpus, Weights, trained_weights
from uninote.pipeline.bench.definition import Experiment, Variant
from uninote.pipeline.state import fingerprint
from uninote.settings import Settings
from uninote.tasks.definitions import Pair
from uninote.tasks.pairs import pairs_per_task
from uninote.training.joint import StageOne
from uninote.training.merge import merged_weights
from uninote.training.rl import train_rl
from uninote.training.sft import train_sft

SEEDS_APART = 1_000
"""Distance between the seeds of two rounds, so that a round repeats no batches of another seed."""
KEPT = ("tasks", "extra", "means", "dims", "cost", "timing_s")


class Runs:
    """Results and models of one corpus in one folder, by a key of their inputs.

    Equal variants of different experiments are one run. A result is written atomically, so a killed run is
    repeated from the last checkpoint of its training.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def result(
        self, experiment: Experiment, variant: Variant, corpus: SeedCorpus, train: bool = True
    ) -> Json | None:
        """Return a stage of the report without examples and intervals, see `evaluation.evaluate`.

        None when it is not finished and `train` is false.
        """
        plan = Plan(self, experiment, variant, corpus)
        file = self._file(plan.key)
        if self.finished(plan.key):
            found: Json = json.loads(file.read_text())
            return found
        if not train:
            return None
        started = perf_counter()
        measured = plan.measure()
        result = {name: measured[name] for name in KEPT if name in measured}
        result["seconds"] = round(perf_counter() - started, 1)
        write_json(file, result)
        return result

    def finished(self, key: str) -> bool:
        return self._file(key).is_file()

    def _file(self, key: str) -> Path:
        return self.folder / "runs" / f"{key}.json"

    def model(self, key: str, train: Callable[[Path], Encoder]) -> Weights:
        """Return weights by their key, trained in a folder that is removed once they are kept."""
        file = self.folder / "models" / f"{key}.safetensors"
        if not file.is_file():
            work = self.folder / "training" / key
            write_shard(trained_weights(train(work)), file)
            shutil.rmtree(work, ignore_errors=True)
        return load_file(file)


class Plan:
    """Plan of a variant's model; keys are hashes of the inputs of each stage."""

    def __init__(self, runs: Runs, experiment: Experiment, variant: Variant, corpus: SeedCorpus) -> None:
        self.runs, self.variant, self.corpus = runs, variant, corpus
        self.settings: Settings = experiment.settings_of(variant, corpus.seed)
        self.stage = variant.stage or experiment.stage
        self.start = variant.start or experiment.start
        settings = self.settings
        self.encoder_settings = corpus.corpus.encoder_settings(settings.encoder)
        own = self.encoder_settings
        self.of_seed = fingerprint((), corpus.corpus.key, corpus.seed)
        self.warm_key = fingerprint((), self.of_seed, "warmup", own.pooling, own.layers)
        sft = (self.start, variant.rounds, own.pooling, own.layers, own.dims, own.principal_axes)
        sections = (settings.sft, settings.negatives, settings.tasks)
        self.sft_key = fingerprint((), self.of_seed, *sft, *sections)
        self.rl_key = fingerprint((), self.sft_key, settings.rl)

    @property
    def key(self) -> str:
        """Key of the result: the suite, and the inputs of the measured stage."""
        depends: dict[str, tuple[object, ...]] = {
            "base": (self.encoder_settings.pooling, self.encoder_settings.layers),
            "warmup": (self.warm_key,),
            "dual tower": (self.warm_key,),
            "sft": (self.sft_key,),
            "rl": (self.rl_key, self.variant.merge),
        }
        measured: tuple[object, ...] = (self.corpus.measured, self.settings.evaluation)
        if self.corpus.corpus.near is None:  # e.g. its package is not installed yet
            measured = (*measured, "no near misses")
        return fingerprint((), self.of_seed, self.stage, *measured, *depends[self.stage])

    def measure(self) -> Json:
        suite, ks = self.corpus.suite, self.settings.evaluation.ks
        if self.stage == "dual tower":
            tower = LateFusion(self.warm(), fusion="mean_max")
            return evaluate_baseline(tower, suite, ks=ks, bootstrap=0)
        # Untrained prefixes are measured as well, to compare Matryoshka supervision with them.
        dims = self.corpus.corpus.settings.encoder.dims
        return evaluate(self.encoder(), suite, ks=ks, dims=dims, bootstrap=0, samples=0)

    def encoder(self) -> Encoder:
        if self.stage == "base":
            return self._untrained()
        if self.stage == "warmup":
            return self.warm()
        if self.stage == "sft":
            return self._with(self.sft())
        if self.variant.merge is None:
            return self._with(self.rl())
        return self._with(merged_weights(self.sft(), self.rl(), self.variant.merge))

    def _untrained(self) -> Encoder:
        return self.corpus.corpus.model(self.corpus.seed, self.encoder_settings)

    def warm(self) -> Encoder:
        """Load the warmed-up model from the folder: a resumed experiment keeps its first reference."""
        settings = self.encoder_settings
        return self._with(self.runs.model(self.warm_key, lambda _: self.corpus.warmed_up(settings)))

    def sft(self) -> Weights:
        return self.runs.model(self.sft_key, self._train_sft)

    def rl(self) -> Weights:
        return self.runs.model(self.rl_key, self._train_rl)

    def _train_sft(self, folder: Path) -> Encoder:
        settings, rounds, seed = self.settings, self.variant.rounds, self.corpus.seed
        encoder = self.warm() if self.start == "warmup" else self._untrained()
        mined = self._stage_one()
        examples, index = mined.examples, mined.reference
        part = settings.sft.model_copy(update={"steps": settings.sft.steps // rounds})
        for number in range(rounds):
            apart = seed + SEEDS_APART * number
            if number:
                pairs = [example.pair for example in examples]
                again = ReferenceIndex(pair_items(pairs), encoder, self._whole)
                examples = relabelled(mine_from_index(pairs, again, settings.negatives, apart), index)
            train_sft(encoder, examples, index, part, folder / str(number), seed=apart)
        return encoder

    @property
    def _whole(self) -> bool:
        return self.settings.negatives.composite == "whole"

    def _stage_one(self) -> StageOne:
        """Return the training set of stage 1, mined and labelled by the warmed-up model."""
        sft, negatives = self.settings.sft, self.settings.negatives
        replaced = self.settings.tasks.modal_replacement
        # One joint stage has no steps of its own in stage 1.
        most = pairs_per_task(sft if sft.steps else sft.model_copy(update={"steps": self.settings.rl.steps}))
        reference = (self.warm_key, most, replaced, self._whole, sft.relations)

        def pairs() -> list[Pair]:
            related = self.corpus.related(most) if sft.relations else []
            return self.corpus.drawn(most, replaced) + related

        def index() -> ReferenceIndex:
            return ReferenceIndex(pair_items(pairs()), self.warm(), self._whole)

        def mined() -> list[Example]:
            return mine_from_index(pairs(), found, negatives, self.corpus.seed)

        found = self.corpus.kept("index", reference, index)
        examples = self.corpus.kept("examples", (*reference, negatives.model_dump_json()), mined)
        return StageOne(examples, found, sft)

    def _train_rl(self, folder: Path) -> Encoder:
        corpus, settings = self.corpus, self.settings
        return train_rl(
            self._with(self.sft()),
            corpus.notes,
            settings.rl,
            folder,
            seed=corpus.seed,
            samples=corpus.samples(settings),
            stage_one=self._stage_one() if settings.rl.mix else None,
        )

    def _with(self, state: Weights) -> Encoder:
        return self.corpus.corpus.with_weights(state, self.encoder_settings)


def relabelled(examples: Sequence[Example], reference: ReferenceIndex) -> list[Example]:
    """Return the same negatives with the soft labels of another reference."""
    queries = [example.pair.query for example in examples for _ in example.negatives]
    negatives = [negative for example in examples for negative in example.negatives]
    scores = iter(reference.paired_scores(queries, negatives).tolist() if negatives else ())
    own = reference.paired_scores(
        [e.pair.query for e in examples], [e.pair.positive for e in examples]
    ).tolist()
    return [
        replace(example, scores=tuple(islice(scores, len(example.negatives))), positive_score=score)
        for example, score in zip(examples, own, strict=True)
    ]
