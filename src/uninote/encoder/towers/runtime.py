"""Runtimes of the towers: they run the batches of one network, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from uninote.encoder.towers.protocol import Array

Batch = dict[str, NDArray[np.generic]]


class Runner(Protocol):
    """Runtime of one network.

    Attributes:
        kind: name in logs and results, as "torch cpu".
        tokens: tokens of a text batch, padding included; 0: one text a batch.
        pictures: pictures of a batch.
    """

    kind: str
    tokens: int
    pictures: int

    def run(self, batches: Sequence[Batch]) -> Iterator[Array]:
        """Yield the output float32 [n, width] of every batch, in order."""
        ...


class TorchRunner:
    """torch on any device."""

    def __init__(self, network: nn.Module, device: torch.device, threads: int | None = None) -> None:
        self.network, self.device, self.threads = network.to(device), device, threads
        self.kind = f"torch {device.type}"
        self.tokens = 4096 if device.type == "cpu" else 16_384
        self.pictures = 1 if device.type == "cpu" else 32

    def run(self, batches: Sequence[Batch]) -> Iterator[Array]:
        before = torch.get_num_threads()
        lanes = min(self.threads or before, len(batches))
        if self.device.type != "cpu" or lanes < 2:
            yield from map(self._one, batches)
            return
        # A thread a core, each on a batch of its own: small layers are too small to share out.
        try:
            with ThreadPoolExecutor(lanes, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                yield from pool.map(self._one, batches)
        finally:
            torch.set_num_threads(before)  # the workers' setting changes shared state of the library

    @torch.inference_mode()
    def _one(self, batch: Batch) -> Array:
        tensors = {name: torch.from_numpy(array).to(self.device) for name, array in batch.items()}
        found: Array = self.network(**tensors).float().cpu().numpy()
        return found


class OnnxRunner:
    """onnxruntime on the CPU: a thread a core, each on a batch of its own.

    An int8 graph scales activations by the largest of the batch, so its batches are single texts.
    """

    kind = "onnxruntime cpu"
    tokens = 0
    pictures = 1

    def __init__(self, graph: Path, threads: int | None = None) -> None:
        import onnxruntime  # type: ignore[import-untyped]

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        self.graph = graph
        self.threads = threads or torch.get_num_threads()
        self.session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        self._inputs = {one.name for one in self.session.get_inputs()}

    def run(self, batches: Sequence[Batch]) -> Iterator[Array]:
        lanes = min(self.threads, len(batches))
        if lanes < 2:
            yield from map(self._one, batches)
            return
        with ThreadPoolExecutor(lanes) as pool:
            yield from pool.map(self._one, batches)

    def _one(self, batch: Batch) -> Array:
        [found] = self.session.run(None, {name: batch[name] for name in self._inputs})
        vectors: Array = found
        return vectors
