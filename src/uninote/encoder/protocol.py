"""What the encoder and both training stages ask of a backbone, causal language model or not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import torch

from uninote.items import Item

Inputs = dict[str, torch.Tensor]
"""One collated batch: named tensors that move to the device together."""


class Backbone(Protocol):
    """A `torch.nn.Module` that renders items to inputs and reads one hidden state per item.

    Invariants: `forward(prepare(items))` does not depend on how items are grouped into batches, up to
    float tolerance; user text never becomes a control token; an item longer than the backbone takes is
    trimmed with a warning, never refused.

    Attributes:
        name: key of the backbone in saved folders.
        width: dimension of the read-out hidden state.
        causal: whether a prefix's hidden state is independent of what follows it.
        uses_instructions: whether a task instruction changes the embedding of a query.
    """

    name: str
    width: int
    causal: bool
    uses_instructions: bool

    def cost(self, item: Item, instruction: str = "") -> int:
        """Tokens of the item after trimming; what a token budget counts."""
        ...

    def prepare(self, items: Sequence[Item], instruction: str = "") -> Inputs:
        """CPU tensors of one batch. Raises PictureError when a picture cannot be decoded."""
        ...

    def __call__(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Read-out hidden state, float32 [n, width], not normalised."""
        ...

    def add_lora(self, rank: int, alpha: int, dropout: float) -> None:
        """Freeze the pretrained weights and add low-rank adapters; a second call changes nothing."""
        ...

    def save(self, folder: Path) -> None:
        """Write what was trained, and how to find what was not, as safetensors and JSON."""
        ...

    @classmethod
    def load(cls, folder: Path, **options: Any) -> Self:
        """Rebuild from `save`. Raises ModelError when the folder is incomplete."""
        ...


@runtime_checkable
class PrefixBackbone(Protocol):
    """What a causal backbone may offer on top: nested items in one pass (design, stage 2).

    Check with `isinstance(backbone, PrefixBackbone)`.
    """

    def prepare_prefixes(self, chains: Sequence[Sequence[Item]], instruction: str = "") -> Inputs:
        """CPU tensors of one batch of chains, whose items may be prefixes of one another.

        The items of a chain may come in any order (`Halves.relevant` as it is): those whose parts begin the
        chain's longest item share its pass, any other item is encoded beside it. A chain of one item
        is the ordinary case, so noise notes go into the same batch. Raises PictureError as `prepare` does.
        """
        ...

    def forward_prefixes(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Read-outs float32 [number of items, width], chain after chain in the given order of items.

        Equal to `forward(prepare(items))` of every item separately, up to float tolerance. `forward` takes
        these inputs too, so that a wrapped model (DDP) can be called: `model(**inputs)`.
        """
        ...


@runtime_checkable
class StepBackbone(Protocol):
    """What a backbone may offer on top: pictures of a training step seen once, whatever it is cut into."""

    def prepare_step(
        self, chunks: Sequence[tuple[Sequence[Sequence[Item]], str]]
    ) -> tuple[list[Inputs], Inputs]:
        """CPU tensors of several batches, and of the pictures of all of them.

        A batch is given by its chains, as `PrefixBackbone.prepare_prefixes` takes them, and its instruction.
        Raises PictureError as `prepare` does.
        """
        ...

    def see(self, **pictures: torch.Tensor) -> torch.Tensor:
        """What `forward` takes as `features` with every batch of the step: float [visual tokens, any].

        Without gradients as long as no weight that reads pictures trains.
        """
        ...
