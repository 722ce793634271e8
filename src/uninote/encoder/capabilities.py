"""Capability protocols: optional abilities of a backbone, in addition to `protocol.Backbone`.

A stage checks with `isinstance(backbone, Capability)`. Without the capability it works in the general way or
raises ModelError.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import nn

from uninote.encoder.footprint import Footprint
from uninote.encoder.protocol import Inputs
from uninote.errors import ItemError, PictureError
from uninote.items import Item, Picture
from uninote.settings import CorpusSettings


class ParamGroup(NamedTuple):
    """Parameters that train alike: with one learning rate and one weight decay."""

    parameters: Sequence[nn.Parameter]
    rate: float
    decay: float


@runtime_checkable
class Pretrained(Protocol):
    """Pretrained weights that `save` names but does not write.

    Attributes:
        base: hub id, or absolute path of the folder.
        fingerprint: hash of these weights; part of `Encoder.version`.
    """

    base: str
    fingerprint: str


@runtime_checkable
class TakesLora(Protocol):
    """Pretrained weights that train by low-rank adapters."""

    def add_lora(self, rank: int, alpha: int, dropout: float) -> None:
        """Freeze the pretrained weights and add low-rank adapters; a second call changes nothing."""
        ...


@runtime_checkable
class Remembers(Protocol):
    """Frozen towers whose outputs are cached by content: a training step runs the layers after them only."""

    def remember(self, items: Sequence[Item], dropout: float = 0.0, progress: bool = False) -> None:
        """Run the towers on all items, and keep their outputs in memory.

        Args:
            dropout: rate on the outputs, in training mode only.

        A picture that cannot be decoded is named in a warning; training sees a grey one in its place.
        """
        ...


@runtime_checkable
class Reads(Protocol):
    """Reading of what the model takes in another form: texts in pictures, videos as a few frames."""

    def read(self, items: Sequence[Item]) -> list[Item | ItemError]:
        """Return the items as the model takes them; the error in place of one that cannot be read.

        Items that were read stay as they are.
        """
        ...


@runtime_checkable
class WarmsUp(Protocol):
    """Parts that start random and are aligned before stage 1."""

    def fit_statistics(self, items: Sequence[Item]) -> None:
        """Fit what the outputs of the towers are shifted and reduced by, before any training."""
        ...

    def warm_up_groups(self, rate: float) -> list[ParamGroup]:
        """Return the parameters that the warm-up trains, at `rate`."""
        ...


@runtime_checkable
class ParamGroups(Protocol):
    """Own learning rates and weight decays: for parameters that start random, or are no matrices."""

    def param_groups(self, rate: float, head_rate: float) -> list[ParamGroup]:
        """Return the parameters that do not train at `rate`, with matrices decayed by 0.01.

        Args:
            rate: `learning_rate` of the stage.
            head_rate: `head_learning_rate` of stage 1; `rate` in stage 2.
        """
        ...


@runtime_checkable
class HasAxes(Protocol):
    """Rotation of the vectors, fitted after training.

    Attributes:
        axes: float32 [width, width], orthogonal, written in place; without effect in training mode.
    """

    @property
    def axes(self) -> torch.Tensor: ...


@runtime_checkable
class CachesPictures(Protocol):
    """Vision features cached on disk by picture."""

    @classmethod
    def cache_pictures(
        cls,
        settings: Any,
        corpus: CorpusSettings,
        feature_folder: Path,
        pictures: Iterable[Picture],
        progress: bool = False,
    ) -> dict[str, PictureError]:
        """Compute the features that the folder lacks. Returns the errors by digest."""
        ...


@runtime_checkable
class Exports(Protocol):
    """Export layouts, in place of the one for sentence-transformers that fits every backbone."""

    def export_layouts(self) -> Mapping[str, str]:
        """Return the layout (`export.run.WRITERS`) by the format of `uninote export`."""
        ...

    def export_limits(self) -> Sequence[str]:
        """Return sentences for the model card: lost parts of an item, and limits that a server needs."""
        ...


@runtime_checkable
class MeasuresMemory(Protocol):
    """Estimate of the memory that a training step takes, and the switch that lowers it.

    Attributes:
        checkpointing: as the settings fix it; None where the trainers choose by size.
    """

    @property
    def checkpointing(self) -> bool | None: ...

    def footprint(self) -> Footprint: ...

    def checkpoint_layers(self, on: bool) -> None:
        """Drop the activations inside the layers in training, and compute them again when needed."""
        ...


@runtime_checkable
class SplitsLayers(Protocol):
    """Layers whose frozen weights may be sharded one by one.

    Attributes:
        layer_classes: their class names, without those of the vision tower: a process whose share has no
            picture would not join the collectives there.
    """

    layer_classes: Sequence[str]


@runtime_checkable
class Packs(Protocol):
    """Batches without padding: a batch costs the sum of its items' tokens, not their number x the longest.

    Attributes:
        packs: False where a model needs padded rows.
    """

    @property
    def packs(self) -> bool: ...


@runtime_checkable
class PrefixBackbone(Protocol):
    """Shared prefixes: nested items of stage 2 encoded in one pass."""

    def prepare_prefixes(self, chains: Sequence[Sequence[Item]], instruction: str = "") -> Inputs:
        """Return the CPU tensors of one batch of chains, whose items may be prefixes of one another.

        The items of a chain may come in any order (`Halves.relevant` as it is): those whose parts begin the
        chain's longest item share its pass, any other item gets a pass of its own. A chain of one item
        is the ordinary case, so noise notes go into the same batch. Raises PictureError as `prepare` does.

        `forward` returns their read-outs, chain after chain in the given order of items, equal to those of
        every item prepared alone up to float tolerance.
        """
        ...


@runtime_checkable
class StepBackbone(Protocol):
    """Vision features computed once per training step, for any number of batches in the step.

    Attributes:
        tower_trains: True when a weight of the vision tower is trained.
    """

    @property
    def tower_trains(self) -> bool: ...

    def prepare_step(
        self, chunks: Sequence[tuple[Sequence[Sequence[Item]], str]]
    ) -> tuple[list[Inputs], Inputs]:
        """Return the CPU tensors of several batches, and of the pictures of all of them.

        A batch is given by its chains, as `PrefixBackbone.prepare_prefixes` takes them, and its instruction.
        Raises PictureError as `prepare` does.
        """
        ...

    def see(self, **pictures: torch.Tensor) -> torch.Tensor:
        """Run the vision tower. Returns `features` for `forward` on every batch: float [visual tokens, any].

        They have no gradients unless `tower_trains`.
        """
        ...


def packs(backbone: object) -> bool:
    """Check for a backbone whose batches have no padding."""
    return isinstance(backbone, Packs) and backbone.packs
