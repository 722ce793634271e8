"""Model FLOPs of encoding and of both training stages, and peak FLOPs of a device: the two sides of MFU.

    MFU = model FLOPs / seconds / peak FLOP/s of the device in bfloat16, dense (`PEAK`)

Model FLOPs are the operations that the result needs, of distinct items, without padding or recomputation:

* encoding: forward pass of the language model over the tokens of each distinct item, instruction included,
  and of the vision tower over each distinct picture or temporal patch of a video. 2 per weight and token;
  attention 2 x length x width per token and layer where causal, twice that in the tower. Of the last layer
  only keys and values: the rest is needed for read-outs alone (`random_qwen.Shape.flops`).
* training: the language model's forward pass, and the gradients of its inputs. The weights are frozen, so
  the backward pass of a matrix product costs one product, not two; that of attention costs twice its forward
  pass, as both operands of its two products have gradients. Adapters are left out. The frozen tower runs
  forward once per distinct picture of a step.
* stage 2: nested candidates count as the longest of them, whose pass holds the others. The anchor's forward
  pass over the same rows is counted, where there is one; it uses the same pictures. The batch of stage 1 that
  joins the step counts as in stage 1.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from random_qwen import MERGE, Shape

from uninote import Item

PEAK = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "B200": 2250e12}
"""Dense bfloat16 FLOP/s by name of the GPU, as the manufacturer states them."""

Chunk = tuple[Sequence[Sequence[Item]], str]
"""Chains of nested items, most of one item, and their instruction: what `StepBackbone.prepare_step` takes."""


def training_flops(shape: Shape, lengths: Sequence[int], patches: Iterable[int], anchor: bool) -> float:
    """Return the FLOPs of a training step on rows of so many tokens and pictures of so many patches.

    `anchor`: a frozen model reads the same rows.
    """
    forward, seen = shape.flops(lengths, patches)
    products = 2 * shape.text_parameters() * sum(lengths)
    backward = products + 2 * (forward - products)
    return forward * (2 if anchor else 1) + backward + seen


@dataclass
class Work:
    """Work of a measured stretch, which does not depend on the side that does it."""

    samples: int = 0
    tokens: int = 0
    flops: float = 0.0

    def add(
        self, backbone: Any, shape: Shape, chunks: Iterable[Chunk], *, train: bool, anchor: bool = False
    ) -> None:
        """Add distinct rows and pictures of what is prepared together; samples are counted by the caller."""
        rows: dict[tuple[str, str], int] = {}
        patches: dict[Any, int] = {}
        for chains, instruction in chunks:
            head = len(backbone.chat.head(instruction))
            for chain in chains:
                longest = max(chain, key=lambda item: backbone.cost(item, instruction))
                rows[longest.key, instruction] = backbone.cost(longest, instruction)
                for block in backbone.renderer.blocks(longest, head, warn=False):
                    if block.visual:
                        patches[block.digest, block.side] = block.visual * MERGE**2
        lengths = list(rows.values())
        self.tokens += sum(lengths)
        if train:
            self.flops += training_flops(shape, lengths, patches.values(), anchor)
        else:
            self.flops += sum(shape.flops(lengths, patches.values()))

    def rates(self, seconds: float) -> dict[str, float]:
        """Return samples and tokens, and those a second."""
        return {
            "seconds": round(seconds, 2),
            "samples": self.samples,
            "tokens": self.tokens,
            "samples_per_s": round(self.samples / seconds, 3),
            "tokens_per_s": round(self.tokens / seconds, 1),
        }


def stated_peak(name: str) -> float | None:
    """Return the dense bfloat16 FLOP/s of a GPU; None for one that `PEAK` lacks."""
    return next((flops for part, flops in PEAK.items() if part in name), None)


def measured_product(device: str) -> float:
    """Measure FLOP/s of a large product of random matrices: bfloat16 on a GPU, float32 on a CPU."""
    cuda = device == "cuda"
    size, kind = (8192, torch.bfloat16) if cuda else (1024, torch.float32)
    clock = time.perf_counter if cuda else time.process_time
    sync = torch.cuda.synchronize if cuda else lambda: None
    left, right = (torch.randn(size, size, device=device, dtype=kind) for _ in range(2))
    best = float("inf")
    for _ in range(4):  # the first ones warm up
        sync()
        start = clock()
        for _ in range(5):
            left @ right
        sync()
        best = min(best, clock() - start)
    return 5 * 2 * size**3 / best
