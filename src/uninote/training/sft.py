"""Stage 1: contrastive supervised fine-tuning on soft labels (Eq. 6-8 and 14)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
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
    last_checkpoint,
    training_arguments,
)

ATOMIC = frozenset({Task.I2T, Task.T2I, Task.I2OCR, Task.OCR2I})
NEAR_DUPLICATE = 0.98
"""An in-batch atomic candidate this similar to the positive, under the reference, is no negative."""


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
    reference: more negatives for the same encoding. Left out are other positives of the same query,
    candidates cut from the query's own note where membership decides (they would be false negatives), and
    near-duplicates of the positive.
    """

    def __init__(self, backbone: Backbone, reference: ReferenceIndex, settings: SftSettings) -> None:
        self.backbone, self.reference, self.settings = backbone, reference, settings

    def __call__(self, examples: Sequence[Example]) -> dict[str, Any]:
        kept = self.settings.negatives_per_query
        own = [[e.pair.positive, *e.negatives[:kept]] for e in examples]
        unique: dict[str, Item] = {item.key: item for items in own for item in items}
        column = {key: i for i, key in enumerate(unique)}
        mask = torch.zeros(len(examples), len(unique), dtype=torch.bool)
        labels = torch.zeros(len(examples), len(unique))
        if self.settings.candidates == "batch":
            labels = torch.from_numpy(self._in_batch_labels(examples, unique))
            mask = self._in_batch_mask(examples, own, column, unique)
        positive = torch.tensor([column[e.pair.positive.key] for e in examples])
        for row, example in enumerate(examples):
            for item, score in zip(own[row][1:], example.scores, strict=False):
                mask[row, column[item.key]] = True
                labels[row, column[item.key]] = score
            mask[row, positive[row]] = True
            one = self.settings.positive_label == "one"
            labels[row, positive[row]] = 1.0 if one else example.positive_score
        instruction = INSTRUCTIONS[examples[0].pair.task] if self.backbone.uses_instructions else ""
        return {
            "queries": self.backbone.prepare([e.pair.query for e in examples], instruction),
            "candidates": self.backbone.prepare(list(unique.values())),
            "labels": labels,
            "mask": mask,
            "positive": positive,
        }

    def _in_batch_labels(self, examples: Sequence[Example], unique: dict[str, Item]) -> np.ndarray[Any, Any]:
        return self.reference.scores([e.pair.query for e in examples], list(unique.values()))

    def _in_batch_mask(
        self,
        examples: Sequence[Example],
        own: Sequence[Sequence[Item]],
        column: dict[str, int],
        unique: dict[str, Item],
    ) -> torch.Tensor:
        mask = torch.ones(len(examples), len(unique), dtype=torch.bool)
        atomic = examples[0].pair.task in ATOMIC
        if atomic:
            positives = [e.pair.positive for e in examples]
            similar = self.reference.scores(positives, list(unique.values())) >= NEAR_DUPLICATE
            mask &= ~torch.from_numpy(similar)
        for row, example in enumerate(examples):
            for other, items in zip(examples, own, strict=True):
                if other is example:
                    continue
                if not atomic and other.pair.note_id == example.pair.note_id:
                    mask[row, [column[item.key] for item in items]] = False
                elif other.pair.query == example.pair.query:
                    mask[row, column[other.pair.positive.key]] = False
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
        data_collator=SftCollator(encoder.backbone, reference, settings),
        callbacks=[MetricsFile(folder / METRICS), *callbacks],
    )
    trainer.train(resume_from_checkpoint=last_checkpoint(folder))
    module.eval()
    return encoder
