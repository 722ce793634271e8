"""Last decoder layer for the read-out tokens alone.

Of the last layer's output only the read-outs are used, so its queries, output projection and MLP are computed
for them alone; keys and values still come from all tokens. Vectors are the same as those of the whole layer.
Gradient checkpointing leaves it out, as it keeps little more than keys and values.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from sys import modules
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

LAYERS = {
    "Qwen2VLDecoderLayer",
    "Qwen2_5_VLDecoderLayer",
    "Qwen3VLTextDecoderLayer",
    "Qwen3VLMoeTextDecoderLayer",
}
"""Classes with the layer's form below; other models compute their last layer whole."""


def shorten_last_layer(core: Any) -> bool:
    """Make the language model's last layer take `readout` and `seen`. Returns False where it cannot.

    Called with both, the language model returns last hidden states [1, m, width] of its m read-outs. Weights
    keep their names.

    Args:
        core: model of the library with a `visual` tower and a `language_model`.
    """
    model = core.language_model
    layer, kinds = model.layers[-1], getattr(model.config, "layer_types", None) or ["full_attention"]
    # After each of the first layers DeepStack adds features to all tokens.
    deep = len(getattr(core.visual.config, "deepstack_visual_indexes", ()))
    if type(layer).__name__ not in LAYERS or kinds[-1] != "full_attention" or len(model.layers) <= deep:
        return False
    layer.forward = partial(read_layer, layer)  # deepcopy binds a partial to the copy
    return True


def seen_tokens(readout: Tensor, shape: Sequence[int], sequences: Tensor | None = None) -> Tensor:
    """Return which tokens each read-out attends to: bool [m, n·L], for rows of `shape` [n, L].

    Args:
        readout: int64 [m, 2], row and column of each read-out.
        sequences: those of a packed row, see `packed_attention.Packing`; None for rows padded on the right.
    """
    row, column = readout.unsqueeze(-1).unbind(1)
    place = torch.arange(shape[1], device=readout.device)
    if sequences is None:
        own = torch.arange(shape[0], device=readout.device) == row
        return (own[:, :, None] & (place <= column)[:, None]).flatten(1)
    lengths, trunks, reaches = sequences.unbind(1)
    ends = lengths.cumsum(0)
    starts = ends - lengths
    number = torch.searchsorted(ends, column.contiguous(), right=True)
    trunk = starts[trunks[number]]
    return ((place >= starts[number]) & (place <= column)) | (
        (place >= trunk) & (place < trunk + reaches[number])
    )


def read_layer(
    layer: Any,
    hidden_states: Tensor,
    *,
    position_embeddings: tuple[Tensor, Tensor],
    readout: Tensor | None = None,
    seen: Tensor | None = None,
    **options: Any,
) -> Tensor:
    """Compute the layer: hidden states [n, L, width] -> [1, m, width], or [n, L, width] without `readout`.

    Args:
        position_embeddings: cosines and sines [n, L, d] of the rotation.
        readout, seen: see `seen_tokens`.
    """
    if readout is None:
        whole: Tensor = type(layer).forward(
            layer, hidden_states, position_embeddings=position_embeddings, **options
        )
        return whole
    attention = layer.self_attn
    rotated = modules[type(attention).__module__].apply_rotary_pos_emb  # type: ignore[attr-defined]
    tokens = layer.input_layernorm(hidden_states).flatten(0, 1)
    cosines, sines = (angle.flatten(0, 1)[None] for angle in position_embeddings)
    chosen = readout[:, 0] * hidden_states.shape[1] + readout[:, 1]
    query = _heads(attention, "q", tokens[chosen])
    key, value = _heads(attention, "k", tokens), _heads(attention, "v", tokens)
    query, _ = rotated(query, query, cosines[:, chosen], sines[:, chosen])
    key, _ = rotated(key, key, cosines, sines)
    # Query heads that share a key head are rows of one product: no key is copied.
    groups = query.shape[1] // key.shape[1]
    found = scaled_dot_product_attention(
        query.reshape(1, key.shape[1], -1, query.shape[3]),
        key,
        value,
        None if seen is None else seen.repeat(groups, 1),
        dropout_p=attention.attention_dropout if layer.training else 0.0,
        scale=attention.scaling,
    )
    mixed = found.reshape_as(query).transpose(1, 2).flatten(2)
    states = hidden_states.flatten(0, 1)[chosen][None] + attention.o_proj(mixed)
    result: Tensor = states + layer.mlp(layer.post_attention_layernorm(states))
    return result


def _heads(attention: Any, name: str, tokens: Tensor) -> Tensor:
    """Project tokens [t, width] to heads [1, heads, t, d], normalised where the model does so."""
    heads = getattr(attention, f"{name}_proj")(tokens).unflatten(-1, (-1, attention.head_dim))
    norm = getattr(attention, f"{name}_norm", None)
    normed: Tensor = heads if norm is None else norm(heads)
    return normed.transpose(0, 1)[None]
