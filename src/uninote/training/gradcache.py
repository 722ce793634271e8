"""GradCache: the gradient of a large batch in the memory of a small chunk, exact for every chunk size.

Items are encoded chunk by chunk and only their vectors are kept. The backward pass of the loss reaches
the vectors first, then goes through the chunks one at a time, encoding each again, with the same dropout
(Gao et al. 2021, arXiv 2101.06983). Here each chunk is a non-reentrant checkpoint: one graph and one call of
the module per step, as DDP and FSDP ask for.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, TypedDict

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from uninote.encoder.batching import token_batches
from uninote.encoder.capabilities import ParamGroup, ParamGroups, PrefixBackbone, StepBackbone, packs
from uninote.encoder.protocol import Backbone, Inputs
from uninote.encoder.stand_in import grey_picture
from uninote.items import Item
from uninote.training.gather import Shard, gather_rows


class Pictures:
    """Pictures of sides that were prepared together: their features are computed once for all chunks.

    An object, not a dict, so that the trainer and DDP pass it unchanged.
    """

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self.features: Tensor | None = None

    def seen_by(self, backbone: Any, recompute: bool) -> Tensor:
        """Return features, with gradients if the vision tower trains; else cached, for the anchor too."""
        if self.features is not None:
            return self.features
        device = next(backbone.parameters()).device
        inputs = {name: tensor.to(device, non_blocking=True) for name, tensor in self.inputs.items()}
        features: Tensor
        if recompute and torch.is_grad_enabled():
            features = checkpoint(partial(backbone.see, **inputs), use_reentrant=False)
        else:
            features = backbone.see(**inputs)
        if not features.requires_grad and not backbone.tower_trains:
            self.features = features
        return features


class Side(TypedDict):
    """Side of a batch, queries or candidates, ready for the backbone.

    `chunks` are this process's items, `height` the rows of each process, and `rows` int64 [n] finds each
    of the n items in the gathered vectors. `pictures` are those of all sides that were prepared together,
    None where chunks hold theirs.
    """

    chunks: list[Inputs]
    height: int
    rows: Tensor
    pictures: Pictures | None


class Content(NamedTuple):
    """Items of one side; `chains` group all of them as prefixes of one another (`PrefixBackbone` only)."""

    items: Sequence[Item]
    instruction: str = ""
    chains: Sequence[Sequence[Item]] = ()


def prepare_sides(
    backbone: Backbone,
    contents: Sequence[Content],
    chunk_size: int | None = None,
    shard: Shard | None = None,
    token_budget: int | None = None,
) -> list[Side]:
    """Prepare this process's share of every side, each item once, in chunks of items of similar length.

    A chunk has at most `chunk_size` items and, with padding if the backbone pads, `token_budget` tokens, or
    one item that has more. With a `StepBackbone`, a picture is decoded and encoded once for all chunks of all
    sides.

    Raises PictureError when a picture cannot be decoded.
    """
    shard = shard or Shard()
    plans = [_plan(backbone, content, chunk_size, shard, token_budget) for content in contents]
    if isinstance(backbone, StepBackbone):
        prepared, inputs = backbone.prepare_step(
            [
                (part, content.instruction)
                for content, plan in zip(contents, plans, strict=True)
                for part in plan[0]
            ]
        )
        if not inputs and shard.world > 1 and backbone.tower_trains:
            # The others wait for this process's gradients of the vision tower. They are zero, as no chunk
            # refers to this picture.
            inputs = backbone.prepare_step([([[Item.of(grey_picture())]], "")])[1]
        pictures = Pictures(inputs) if inputs else None
    else:
        prepared, pictures = [], None
        for content, plan in zip(contents, plans, strict=True):
            prepared += [_prepare(backbone, part, content) for part in plan[0]]
    ready = iter(prepared)
    return [
        {"chunks": [next(ready) for _ in parts], "height": height, "rows": rows, "pictures": pictures}
        for parts, height, rows in plans
    ]


def _plan(
    backbone: Backbone, content: Content, chunk_size: int | None, shard: Shard, token_budget: int | None
) -> tuple[list[list[Sequence[Item]]], int, Tensor]:
    """Return the chains of each chunk here, the rows of each process, and the row of each item."""
    items, instruction, chains = content
    units = {tuple(item.key for item in chain): chain for chain in chains or [(item,) for item in items]}
    groups = list(units.values())
    order = list(range(len(groups)))
    costs = [0] * len(groups)
    if shard.world > 1 or chunk_size is not None or token_budget is not None:
        # Longest first: similar lengths share a chunk, and the processes get equal work.
        costs = [max(backbone.cost(item, instruction) for item in group) for group in groups]
        order.sort(key=lambda i: (-costs[i], i))
    sizes = [len(group) for group in groups]
    starts, height = shard.layout(order, sizes)
    rows = {
        item.key: start + place
        for start, group in zip(starts, groups, strict=True)
        for place, item in enumerate(group)
    }
    own = [groups[i] for i in shard.share(order)]
    # Counted in groups, not items, and cut by the first process's, the longest: all have as many chunks.
    most = len(own) if chunk_size is None else max(1, chunk_size // max(sizes))
    parts = [
        [own[place] for place in places]
        for places in token_batches(
            [costs[i] for i in order[:: shard.world]], token_budget, most, packs(backbone)
        )
    ]
    return parts, height, torch.tensor([rows[item.key] for item in items])


def _prepare(backbone: Backbone, part: Sequence[Sequence[Item]], content: Content) -> Inputs:
    if content.chains and isinstance(backbone, PrefixBackbone):
        return backbone.prepare_prefixes(part, content.instruction)
    return backbone.prepare([item for group in part for item in group], content.instruction)


class ChunkedEncoder(nn.Module):
    """Model of the trainers: the backbone, called once per step with every side of the batch.

    Args:
        backbone: module that maps items to read-outs.
        recompute: drop a chunk's activations and encode it again in the backward pass.
    """

    def __init__(self, backbone: nn.Module, recompute: bool = False) -> None:
        super().__init__()
        self.backbone, self.recompute = backbone, recompute

    def param_groups(self, rate: float, head_rate: float) -> list[ParamGroup]:
        own = self.backbone
        return own.param_groups(rate, head_rate) if isinstance(own, ParamGroups) else []

    def _encode(self, chunk: Inputs) -> Tensor:
        encoded: Tensor = self.backbone(**chunk)
        return encoded

    def forward(self, sides: Sequence[Side]) -> list[Tensor]:
        """Return this process's vectors, one float [m, width] per side, in the order of its chunks."""
        left = sum(len(side["chunks"]) for side in sides)
        shown = {id(found): found for side in sides if (found := side["pictures"]) is not None}
        features = {key: found.seen_by(self.backbone, self.recompute) for key, found in shown.items()}
        vectors = []
        for side in sides:
            key = id(side["pictures"])
            seen = {"features": features[key]} if key in features else {}
            made = []
            for inputs in side["chunks"]:
                chunk = inputs | seen
                left -= 1
                # The last chunk is the first that the backward pass needs: its activations may stay.
                if self.recompute and left and torch.is_grad_enabled():
                    made.append(checkpoint(self._encode, chunk, use_reentrant=False))
                else:
                    made.append(self._encode(chunk))
            vectors.append(torch.cat(made) if len(made) > 1 else made[0])
        return vectors


def encode_sides(model: nn.Module, sides: Sequence[Side], shard: Shard) -> list[Tensor]:
    """Encode every item of every side, on every process, with gradients: float [n, width] per side.

    Args:
        model: a `ChunkedEncoder`, bare or as DDP or FSDP wrapped it.
    """
    return [
        gather_rows(local, side["height"], shard)[side["rows"]]
        for local, side in zip(model(sides), sides, strict=True)
    ]
