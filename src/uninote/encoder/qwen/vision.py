"""Vision tower of Qwen-VL with equal results in fewer operations: patch embedding and attention.

Both are set on a loaded model; its weights keep their names and values.
"""

from __future__ import annotations

from functools import partial
from itertools import groupby, pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear, scaled_dot_product_attention

BY_LENGTH = "uninote_flash_by_length"
"""Name of `attention_by_length` in `transformers`, which gives boundaries only where a name has `flash`."""


def lighten_tower(tower: Any) -> None:
    """Make a tower embed patches by a matrix product, and attend by length where it would use plain SDPA."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    embedding = tower.patch_embed
    kernel = getattr(embedding, "proj", None)
    # A patch fills the kernel, and the kernel does not overlap: the convolution is a matrix product.
    if isinstance(kernel, torch.nn.Conv3d) and kernel.kernel_size == kernel.stride:
        embedding.forward = partial(embed_patches, embedding)  # deepcopy binds a partial to the copy
    if tower.config._attn_implementation == "sdpa":
        ALL_ATTENTION_FUNCTIONS.register(BY_LENGTH, attention_by_length)
        tower.config._attn_implementation = BY_LENGTH  # not while loading: the library looks for a kernel


def embed_patches(embedding: Any, pixels: Tensor) -> Tensor:
    """Embed patches: [patches, values] -> [patches, width], in the precision of the weights."""
    kernel = embedding.proj
    if not isinstance(kernel, torch.nn.Conv3d):  # an adapter is around it
        adapted: Tensor = type(embedding).forward(embedding, pixels)
        return adapted
    return linear(pixels.to(kernel.weight.dtype), kernel.weight.flatten(1), kernel.bias)


def attention_by_length(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    cu_seq_lens_q: Tensor,
    scaling: float,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, None]:
    """Compute attention within each sequence of a row; neighbours of equal length share a call of SDPA.

    Pictures of equal grids are such sequences, and the windows of Qwen2.5-VL.

    Args:
        query, key, value: [1, heads, L, d]. The result is [1, L, heads, d].
        cu_seq_lens_q: boundaries int32 [s + 1] of the sequences, from 0 to L.
    """
    lengths = [end - start for start, end in pairwise(cu_seq_lens_q.tolist())]
    runs = [(length, len(list(run))) for length, run in groupby(lengths)]
    sizes = [length * count for length, count in runs]
    found = []
    for run, *parts in zip(runs, *(one[0].split(sizes, dim=1) for one in (query, key, value)), strict=True):
        q, k, v = (part.unflatten(1, run[::-1]).transpose(0, 1) for part in parts)
        mixed = scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scaling)
        found.append(mixed.transpose(1, 2).flatten(0, 1))
    return torch.cat(found)[None], None
