"""Memory footprint of a training step, and the cheapest way to keep it within a device.

A step encodes `tokens` of this process in passes of at most `batch` tokens. Two ways trade time for memory,
each for about one more forward pass:

* checkpointing drops the activations inside the layers, and keeps the inputs of all layers of all passes;
* GradCache drops those of all passes but one.

    fixed        frozen + 26 · trained             float32: weight, gradient, bucket of DDP, two moments of
                                                   AdamW (20), anchor of stage 2 (4); bfloat16 cast (2)
    features     features · tokens                 at most: as if every token were visual
    tower        seeing · min(tokens, seen)        and, if it trains, what it keeps of them
    activations  token · tokens                    neither
                 inputs · tokens + layer · batch   checkpointing
                 token · batch                     GradCache
                 inputs · batch + layer · batch    both
    gradients    layer · batch                     those of one layer's activations

Logits are never computed.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

TRAINED = 26
"""Bytes of a trained parameter."""
SHARE = 0.8
"""Share of a device that the estimate may take: the allocator, the libraries and other work need some."""


class Footprint(NamedTuple):
    """Bytes of a training step by what they are counted in; see the module.

    Attributes:
        frozen: of all frozen weights.
        trained: number of trained parameters.
        token: of a token, in all layers.
        inputs: of a token, inputs of all layers.
        layer: of a token, in one layer.
        features: of a visual token: its pixels, and its features for the language model.
        tower, tower_inputs: of a visual token in a trained vision tower, all layers; 0 where it is frozen.
        seeing: of a visual token in one layer of the tower, working.
        seen: most visual tokens in one pass of the tower.
    """

    frozen: int
    trained: int
    token: int
    inputs: int
    layer: int
    features: int = 0
    tower: int = 0
    tower_inputs: int = 0
    seeing: int = 0
    seen: int = 1

    def peak(self, tokens: int, batch: int, *, checkpointing: bool, recompute: bool) -> int:
        """Return the bytes of a step of `tokens`, in passes of at most `batch` tokens."""
        batch = min(batch, tokens)
        kept = batch if recompute else tokens
        own = self.inputs * kept + self.layer * batch if checkpointing else self.token * kept
        tower = (self.tower_inputs if checkpointing else self.tower) + self.seeing
        pictures = self.features * tokens + tower * min(tokens, self.seen)
        return self.frozen + TRAINED * self.trained + own + self.layer * batch + pictures


class Plan(NamedTuple):
    """Memory plan of a training: what is computed again, and `peak` bytes of the `memory` of a device."""

    checkpointing: bool
    recompute: bool
    peak: int
    memory: int

    @property
    def fits(self) -> bool:
        return self.peak <= SHARE * self.memory


def plan_memory(
    footprint: Footprint,
    tokens: int,
    batch: int,
    memory: int,
    checkpointing: bool | None = None,
    recompute: bool | None = None,
) -> Plan:
    """Return the first plan that fits: as is, checkpointing, GradCache, both; the last one if none does.

    Args:
        memory: bytes of the device.
        checkpointing: fixed by the user; None for a choice.
        recompute: likewise.
    """
    plans = [
        Plan(
            inner,
            outer,
            footprint.peak(tokens, batch, checkpointing=inner, recompute=outer),
            memory,
        )
        for outer, inner in product(_choices(recompute), _choices(checkpointing))
    ]
    return next((plan for plan in plans if plan.fits), plans[-1])


def _choices(fixed: bool | None) -> tuple[bool, ...]:
    return (False, True) if fixed is None else (fixed,)
