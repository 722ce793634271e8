"""Backbone protocol: the interface that the encoder and both training stages require of any backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import torch

from uninote.items import Item
from uninote.settings import CorpusSettings

Inputs = dict[str, torch.Tensor]
"""Collated batch: named tensors that move to the device together."""


@dataclass(frozen=True)
class LoadOptions:
    """Options of `Backbone.load`: places of data that the folder does not hold; a backbone may ignore any.

    Attributes:
        corpus: caps of pictures; the defaults if None.
        feature_folder: cache of vision features on disk.
        device: as `encoder.device`.
        base: folder or hub id of the pretrained weights, when they have moved since `save`.
        changes: options of section `encoder` that may differ from those saved, e.g. `read` and `precision`
            of the compact model.
    """

    corpus: CorpusSettings | None = None
    feature_folder: Path | None = None
    device: str = "auto"
    base: str | Path | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)


class Backbone(Protocol):
    """Backbone: a `torch.nn.Module` that renders items to inputs and reads one hidden state per item.

    Invariants: `forward(prepare(items))` does not depend on how items are grouped into batches, up to
    float tolerance; user text never becomes a control token; an item longer than the backbone takes is
    trimmed with a warning, never refused. Optional abilities are in `capabilities.py`.

    Attributes:
        name: key of the backbone in the registry and in saved folders.
        width: dimension of the read-out hidden state.
        causal: True when a prefix's hidden state does not depend on later tokens.
        uses_instructions: True when a task instruction changes the embedding of a query.
    """

    name: str
    width: int
    causal: bool
    uses_instructions: bool

    def cost(self, item: Item, instruction: str = "") -> int:
        """Count the tokens of the item after trimming, as a token budget does."""
        ...

    def prepare(self, items: Sequence[Item], instruction: str = "") -> Inputs:
        """Return the CPU tensors of one batch. Raises PictureError when a picture cannot be decoded."""
        ...

    def __call__(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Return the read-out hidden state, float32 [n, width], not normalised."""
        ...

    def save(self, folder: Path) -> None:
        """Write the trained weights, and references to the pretrained ones, as safetensors and JSON.

        `backbone.json` has the field `name`.
        """
        ...

    @classmethod
    def start(
        cls,
        settings: Any,
        corpus: CorpusSettings | None = None,
        feature_folder: Path | None = None,
        seed: int = 0,
    ) -> Self:
        """Build the backbone that training starts from; `seed` draws its fresh weights.

        Args:
            settings: an instance of the class that names this backbone as its `implementation`.

        Raises ModelError when the pretrained weights cannot be loaded.
        """
        ...

    @classmethod
    def load(cls, folder: Path, options: LoadOptions) -> Self:
        """Load the backbone that `save` wrote. Raises ModelError when the folder is incomplete."""
        ...
