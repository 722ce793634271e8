"""Snapshots of the trained weights along a training, to measure what its steps change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from uninote.training.movement import trained_weights


class Snapshots(TrainerCallback):  # type: ignore[misc]
    """Callback that copies the trained weights before the first step, every `every` steps and at the end.

    Args:
        module: the module that trains in place, e.g. `Encoder.backbone`.

    Attributes:
        weights: tensors on the CPU by parameter name, by step. A resumed run has those after its checkpoint.
    """

    def __init__(self, module: nn.Module, every: int) -> None:
        self.module, self.every = module, every
        self.weights: dict[int, dict[str, Tensor]] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._copy(state.global_step)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.global_step % self.every == 0 or state.global_step == state.max_steps:
            self._copy(state.global_step)

    def _copy(self, step: int) -> None:
        self.weights[step] = trained_weights(self.module)


@torch.no_grad()
def load_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy one entry of `Snapshots.weights` into the module. Raises KeyError for an unknown parameter."""
    parameters = dict(module.named_parameters())
    for name, tensor in weights.items():
        parameters[name].copy_(tensor)
