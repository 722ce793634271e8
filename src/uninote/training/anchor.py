"""Anchor of stage 2: the trained weights as they were before the stage, read by the same model."""

from __future__ import annotations

from types import TracebackType

import torch
from torch import nn


class Anchor:
    """Context in which `model` is the frozen model of before: earlier weights, no dropout, no gradients.

    Only trained weights are copied, few of a large model with adapters. Frozen ones are shared, on one device
    or sharded over several. A graph recorded before stays sound: when its backward pass needs the weights,
    they are back in the same parameters.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        trained = [one for one in model.parameters() if one.requires_grad]
        self._weights = [(one, one.detach().clone()) for one in trained]
        self._grad = torch.no_grad()

    def _swap(self) -> None:
        swapped = []
        for parameter, other in self._weights:
            swapped.append((parameter, parameter.data))
            parameter.data = other.to(parameter.device)
        self._weights = swapped
        torch.clear_autocast_cache()  # it holds casts of the parameters, whatever their values are now

    def __enter__(self) -> nn.Module:
        self._grad.__enter__()
        self._swap()
        self._training = self._model.training
        return self._model.eval()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._swap()
        self._model.train(self._training)
        self._grad.__exit__(kind, error, trace)
