"""Stage 1: contrastive supervised fine-tuning on soft labels (Eq. 6-8 and 14)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.utils.data import Dataset

from uninote.encoder import Encoder
from uninote.encoder.axes import fit_axes
from uninote.encoder.protocol import Backbone
from uninote.errors import ModelError
from uninote.items import Item
from uninote.negatives import Example, ReferenceIndex
from uninote.settings import SftSettings
from uninote.tasks.definitions import INSTRUCTIONS
from uninote.training.gather import Shard, fit_whole
from uninote.training.gradcache import ChunkedEncoder, Content, encode_sides, prepare_sides
from uninote.training.inbatch import InBatchCandidates, positive_clusters
from uninote.training.movement import Start
from uninote.training.objectives import OBJECTIVES, matryoshka_loss
from uninote.training.prefetch import Prefetch
from uninote.training.sampler import TaskBatchOrder
from uninote.training.signal import FIX, require_negatives
from uninote.training.start import prepare_training, training_dims
from uninote.training.trainer import (
    METRICS,
    MetricsFile,
    Schedule,
    StageTrainer,
    conclude,
    training_arguments,
)

log = logging.getLogger(__name__)


class ExampleDataset(Dataset[Example]):
    """Dataset of examples. `clusters`: see `TaskBatchOrder`."""

    def __init__(self, examples: Sequence[Example], clusters: Sequence[int] | None = None) -> None:
        self.examples, self.clusters = examples, clusters

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Example:
        return self.examples[index]


class SftCollator:
    """Collator from examples of one task to this process's share of both sides, and all candidate sets.

    A batch has `queries` and `candidates` (each a `Side`), `labels` float32 and `mask` bool [B, C], and
    `positive` int64 [B]; see `CandidateSets`.

    Args:
        examples: the whole training set, which defines the positives of every query.
        token_budget: tokens of one pass of the backbone, padding included where it pads.
    """

    def __init__(
        self,
        backbone: Backbone,
        examples: Sequence[Example],
        reference: ReferenceIndex,
        settings: SftSettings,
        shard: Shard | None = None,
        token_budget: int | None = None,
    ) -> None:
        self.backbone, self.settings, self.shard = backbone, settings, shard or Shard()
        self.token_budget = token_budget
        self.sets = InBatchCandidates(examples, reference, settings)

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        sets = self.sets(examples)
        instruction = INSTRUCTIONS[examples[0].pair.task] if self.backbone.uses_instructions else ""
        contents = [Content(sets.queries, instruction), Content(sets.candidates)]
        queries, candidates = prepare_sides(
            self.backbone, contents, self.settings.chunk_size, self.shard, self.token_budget
        )
        return {
            "queries": queries,
            "candidates": candidates,
            "labels": sets.labels,
            "mask": sets.mask,
            "positive": sets.positive,
        }


def example_items(examples: Sequence[Example]) -> list[Item]:
    """Return queries, positives and negatives of all examples."""
    return [item for e in examples for item in (e.pair.query, e.pair.positive, *e.negatives)]


def stage_one_loss(
    queries: Tensor, candidates: Tensor, inputs: Mapping[str, Any], settings: SftSettings, dims: Sequence[int]
) -> Tensor:
    """Return the loss of stage 1 of vectors [B, width] and [C, width]; `inputs`: see `SftCollator`."""
    return matryoshka_loss(
        OBJECTIVES[settings.objective],
        queries,
        candidates,
        inputs["labels"],
        inputs["mask"],
        dims=dims,
        temperature=settings.temperature,
        positive=inputs["positive"],
    )


class SftTrainer(StageTrainer):
    """Trainer of stage 1 on a `ChunkedEncoder`."""

    section = "sft"

    def __init__(
        self, *, settings: SftSettings, dims: Sequence[int], shard: Shard | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.settings, self.dims, self.shard = settings, dims, shard or Shard()

    def task_order(self, dataset: ExampleDataset) -> TaskBatchOrder:
        tasks = [example.pair.task for example in dataset.examples]
        size, passes = self.settings.batch_size, self.settings.accumulate
        return TaskBatchOrder(tasks, size, self.args.seed, passes, self.shard.world, dataset.clusters)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        queries, candidates = encode_sides(model, [inputs["queries"], inputs["candidates"]], self.shard)
        loss = stage_one_loss(queries, candidates, inputs, self.settings, self.dims)
        return (loss, candidates) if return_outputs else loss


def train_sft(
    encoder: Encoder,
    examples: Sequence[Example],
    reference: ReferenceIndex,
    settings: SftSettings,
    folder: Path,
    *,
    seed: int = 0,
    progress: bool = False,
    callbacks: Sequence[Any] = (),
) -> Encoder:
    """Train `encoder` in place and return it; killed, the next call resumes from the last checkpoint.

    Checkpoints, TensorBoard events, `metrics.jsonl` and `movement.json` go to `folder`. The same seed gives
    the same weights on the same machine, resumed or not. Started by `torchrun` or Accelerate, the processes
    share the encoding of every batch, and end with the same model.

    Where the towers are frozen (`Remembers`), they run once per element, before the first step; elsewhere
    LoRA adapters are trained.

    Args:
        callbacks: instances of `transformers.TrainerCallback`.

    Raises:
        ConfigError: the settings leave every query without a negative.
        ModelError: there are no examples to train on, or a loss is not a number.
    """
    if not examples:
        raise ModelError("no training examples: the notes have no pairs with a description or OCR text")
    items = example_items(examples)
    for task in require_negatives(examples, InBatchCandidates(examples, reference, settings), settings):
        log.warning("no query of %s has a negative, so its steps teach nothing: %s", task, FIX)
    budget = prepare_training(encoder, items, settings, seed, progress, settings.dropout)
    start = Start(encoder, items)
    module: Any = encoder.backbone
    schedule = Schedule(
        settings.steps,
        settings.batch_size // settings.accumulate,
        settings.learning_rate,
        settings.save_every,
        settings.warmup_ratio,
        settings.head_learning_rate,
    )
    arguments = training_arguments(folder, schedule, seed, encoder.device, progress)
    arguments.gradient_accumulation_steps = settings.accumulate
    shard = Shard.current()
    clusters = None
    if settings.cluster_size > 1:
        clusters = positive_clusters(examples, reference, settings.cluster_size, seed)
    trainer = SftTrainer(
        schedule=schedule,
        settings=settings,
        dims=training_dims(encoder),
        shard=shard,
        model=ChunkedEncoder(module, recompute=settings.chunk_size is not None),
        args=arguments,
        train_dataset=ExampleDataset(examples, clusters),
        data_collator=Prefetch(SftCollator(module, examples, reference, settings, shard, budget)),
        callbacks=[MetricsFile(folder / METRICS), *callbacks],
    )
    fit_whole(trainer, encoder)
    conclude(start, trainer, encoder)
    fit_axes(encoder, [item for e in examples for item in (e.pair.query, e.pair.positive)])
    return encoder
