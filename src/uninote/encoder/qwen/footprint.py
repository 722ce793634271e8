"""Memory of a training step of a Qwen-VL model by its shape, as formulas.

Weights and activations count two bytes a number: bfloat16 under autocast. Norms work in float32, four bytes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from uninote.encoder.footprint import Footprint
from uninote.encoder.qwen.passes import PATCHES


class TextShape(NamedTuple):
    """Sizes of the language model; `head`: numbers of one head."""

    width: int
    layers: int
    heads: int
    kv: int
    head: int
    mlp: int


class VisionShape(NamedTuple):
    """Sizes of the vision tower.

    `deep`: DeepStack layers, `merge`: patches of one visual token, `patch`: numbers of one patch.
    """

    width: int
    layers: int
    heads: int
    mlp: int
    deep: int
    merge: int
    patch: int


def text_layer_bytes(shape: TextShape, rank: int) -> int:
    """Return the bytes that a layer with adapters on all projections keeps of a token for the backward pass.

    12·width (two norms in float32, two inputs of projections), 8·(query + key width) (norms in float32,
    attention), 8·mlp (gate, its activation, up, their product), 14·rank (seven adapters), and what norms and
    attention keep of a head.
    """
    query, key = shape.heads * shape.head, shape.kv * shape.head
    small = 8 * shape.heads + 4 * shape.kv + 8
    return 12 * shape.width + 8 * (query + key) + 8 * shape.mlp + 14 * rank + small


def vision_layer_bytes(shape: VisionShape, rank: int) -> int:
    """Return the bytes that a trained vision layer keeps of a patch: two norms in float32, attention, MLP."""
    return 26 * shape.width + 4 * shape.mlp + 4 * shape.heads + 8 * rank + 8


def seeing_bytes(shape: VisionShape) -> int:
    """Return the bytes of a patch while a frozen layer works: rotary positions in float32, or the MLP."""
    return max(36 * shape.width, 4 * shape.width + 6 * shape.mlp)


def qwen_footprint(
    text: TextShape, vision: VisionShape, rank: int, frozen: int, trained: int, tower_trains: bool
) -> Footprint:
    """Return the memory of a training.

    Args:
        frozen: bytes of frozen weights.
        trained: number of trained parameters.
    """
    layer = text_layer_bytes(text, rank)
    tower = vision_layer_bytes(vision, rank) * vision.merge if tower_trains else 0
    return Footprint(
        frozen=frozen,
        trained=trained,
        token=layer * text.layers,
        inputs=2 * text.width * text.layers,
        layer=layer,
        features=2 * text.width * (1 + vision.deep) + 2 * vision.patch * vision.merge,
        tower=tower * vision.layers,
        tower_inputs=2 * vision.width * vision.merge * vision.layers if tower_trains else 0,
        seeing=max(tower, seeing_bytes(vision) * vision.merge),
        seen=PATCHES // vision.merge,
    )


def shapes_of(config: Any) -> tuple[TextShape, VisionShape]:
    """Return the shapes of a configuration of the family, whose models name their sizes differently.

    A mixture of experts counts the experts of one token.
    """
    text, vision = config.get_text_config(), config.vision_config
    heads = int(text.num_attention_heads)
    mlp = int(getattr(text, "intermediate_size", 0) or 0)
    if experts := getattr(text, "num_experts_per_tok", None):
        mlp = int(experts) * int(text.moe_intermediate_size)
    wide = int(getattr(vision, "embed_dim", None) or vision.hidden_size)
    return (
        TextShape(
            int(text.hidden_size),
            int(text.num_hidden_layers),
            heads,
            int(text.num_key_value_heads),
            int(getattr(text, "head_dim", None) or text.hidden_size // heads),
            mlp,
        ),
        VisionShape(
            wide,
            int(vision.depth),
            int(vision.num_heads),
            int(getattr(vision, "intermediate_size", None) or wide * getattr(vision, "mlp_ratio", 4)),
            len(getattr(vision, "deepstack_visual_indexes", None) or ()),
            int(vision.spatial_merge_size) ** 2,
            3 * int(vision.temporal_patch_size) * int(vision.patch_size) ** 2,
        ),
    )


def footprint_of(model: Any, tower_trains: bool) -> Footprint:
    """Return the memory of a training of a model of the library, with its adapters in place."""
    adapters = getattr(model, "peft_config", {}).values()
    weights = list(model.parameters())
    return qwen_footprint(
        *shapes_of(model.config),
        rank=max((adapter.r for adapter in adapters), default=0),
        frozen=sum(one.nbytes for one in weights if not one.requires_grad),
        trained=sum(one.numel() for one in weights if one.requires_grad),
        tower_trains=tower_trains,
    )
