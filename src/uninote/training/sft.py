"""Stage 1: contrastive supervised fine-tuning on soft labels (Eq. 6-8 and 14)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import Dataset, Sampler

from uninote.encoder import Encoder
from uninote.encoder.protocol import Backbone, Inputs
from uninote.errors import ModelError
from uninote.items import Item
from uninote.negatives import Example, ReferenceIndex
from uninote.settings import SftSettings
from uninote.tasks.definitions import INSTRUCTIONS, Task
from uninote.training.objectives import OBJECTIVES, matryoshka_loss
from uninote.training.sampler import TaskBatchOrder
from uninote.training.trainer import (
    METRICS,
    MetricsFile,
    Schedule,
    StageTrainer,
    training_arguments,
)

ATOMIC = frozenset({Task.I2T, Task.T2I, Task.I2OCR, Task.OCR2I})
NEGATIVES_BESIDE_BATCH = 1
"""Mined negatives per query (the rule's, if any) where the rest of the batch are negatives anyway."""
NEAR_DUPLICATE = 0.98
"""An in-batch candidate this similar to a one-part positive, under the reference, is no negative."""


class ExampleDataset(Dataset[Example]):
    def __init__(self, examples: Sequence[Example]) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Example:
        return self.examples[index]


class SftCollator:
    """Examples of one task -> queries and unique candidates, who counts for whom, and soft labels.

    Every candidate of the batch is encoded once. With `candidates="own"` a query sees its positive and its
    own negatives (the paper's setting); with `"batch"` it sees every candidate of the batch, scored by the
    reference: more negatives for the same encoding. Left out are the false negatives: other positives of
    the same query, candidates cut from a note of the query where membership decides, and near-duplicates of
    a positive that is one part. A batch has `labels` float32, `mask` bool, both [B, C], and `positive`
    int64 [B], the column of each query's positive.

    Args:
        examples: all of the training set: what is positive for whom is read from it.
    """

    def __init__(
        self,
        backbone: Backbone,
        examples: Sequence[Example],
        reference: ReferenceIndex,
        settings: SftSettings,
    ) -> None:
        self.backbone, self.reference, self.settings = backbone, reference, settings
        # By item key: positives of a query, notes a query was cut from, notes a candidate was cut from.
        self.positives: dict[str, set[str]] = defaultdict(set)
        self.sources: dict[str, set[str]] = defaultdict(set)
        self.notes: dict[str, set[str]] = defaultdict(set)
        for pair in (example.pair for example in examples):
            self.positives[pair.query.key].add(pair.positive.key)
            self.sources[pair.query.key].add(pair.note_id)
            for item in (pair.positive, pair.counterfactual):
                if item is not None:
                    self.notes[item.key].add(pair.note_id)

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        kept = self.settings.negatives_per_query
        if kept is None and self.settings.candidates == "batch":
            kept = NEGATIVES_BESIDE_BATCH
        own = [[e.pair.positive, *e.negatives[:kept]] for e in examples]
        unique = {item.key: item for items in own for item in items}
        column = {key: i for i, key in enumerate(unique)}
        positive = torch.tensor([column[e.pair.positive.key] for e in examples])
        queries, candidates = [e.pair.query for e in examples], list(unique.values())
        if self.settings.candidates == "batch":
            labels = torch.from_numpy(self.reference.scores(queries, candidates))
            mask = self._in_batch_mask(examples, candidates)
        else:
            labels = torch.zeros(len(examples), len(unique))
            mask = torch.zeros(len(examples), len(unique), dtype=torch.bool)
        for row, example in enumerate(examples):
            for item, score in zip(own[row][1:], example.scores, strict=False):
                mask[row, column[item.key]] = True
                labels[row, column[item.key]] = score
            mask[row, positive[row]] = True
            one = self.settings.positive_label == "one"
            labels[row, positive[row]] = 1.0 if one else example.positive_score
        instruction = INSTRUCTIONS[examples[0].pair.task] if self.backbone.uses_instructions else ""
        return {
            "queries": self.backbone.prepare(queries, instruction),
            "candidates": self.backbone.prepare(candidates),
            "labels": labels,
            "mask": mask,
            "positive": positive,
        }

    def _in_batch_mask(self, examples: Sequence[Example], candidates: Sequence[Item]) -> torch.Tensor:
        """Which candidates may stand as negatives: bool [B, C]."""
        atomic = examples[0].pair.task in ATOMIC
        queries = [example.pair.query.key for example in examples]
        mask = torch.tensor(
            [
                [
                    item.key not in self.positives[query]
                    and (atomic or self.sources[query].isdisjoint(self.notes[item.key]))
                    for item in candidates
                ]
                for query in queries
            ]
        )
        positives = [example.pair.positive for example in examples]
        if all(len(item.parts) == 1 for item in positives):
            mask &= torch.from_numpy(self.reference.scores(positives, candidates) < NEAR_DUPLICATE)
        return mask


class SftTrainer(StageTrainer):
    def __init__(self, *, settings: SftSettings, dims: Sequence[int], **options: Any) -> None:
        super().__init__(**options)
        self.settings, self.dims = settings, dims

    def _get_train_sampler(self, train_dataset: Dataset[Example] | None = None) -> Sampler[int]:
        dataset: Any = train_dataset if train_dataset is not None else self.train_dataset
        tasks = [example.pair.task for example in dataset.examples]
        return TaskBatchOrder(tasks, self.settings.batch_size, self.args.seed)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        queries: Inputs = inputs["queries"]
        candidates: Inputs = inputs["candidates"]
        loss = matryoshka_loss(
            OBJECTIVES[self.settings.objective],
            model(**queries),
            embedded := model(**candidates),
            inputs["labels"],
            inputs["mask"],
            dims=self.dims,
            temperature=self.settings.temperature,
            positive=inputs["positive"],
        )
        return (loss, embedded) if return_outputs else loss


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
    """Train `encoder` in place and return it; killed, the next call goes on from the last checkpoint.

    Checkpoints, TensorBoard events and `metrics.jsonl` go to `folder`. The same seed gives the same
    weights on the same machine, resumed or not.

    Raises:
        ModelError: there are no examples to train on.
    """
    if not examples:
        raise ModelError("no training examples: the notes have no pairs with a description or OCR text")
    module: Any = encoder.backbone
    torch.manual_seed(seed)
    encoder.backbone.add_lora(settings.lora.rank, settings.lora.alpha, settings.lora.dropout)
    schedule = Schedule(
        settings.steps,
        settings.batch_size,
        settings.learning_rate,
        settings.save_every,
        settings.warmup_ratio,
        settings.head_learning_rate,
    )
    trainer = SftTrainer(
        schedule=schedule,
        settings=settings,
        dims=encoder.dims,
        model=module,
        args=training_arguments(folder, schedule, seed, encoder.device, progress),
        train_dataset=ExampleDataset(examples),
        data_collator=SftCollator(encoder.backbone, examples, reference, settings),
        callbacks=[MetricsFile(folder / METRICS), *callbacks],
    )
    trainer.fit()
    return encoder
