"""Tiny random models of the Qwen-VL family in a folder: real architecture, tokenizer and picture processor.

About 275 thousand parameters, built without a hub. `tiny_qwen` in `tests/conftest.py` is the fixture.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen3_5Config,
    Qwen3_5ForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLMoeConfig,
    Qwen3VLMoeForConditionalGeneration,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

SPECIAL = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
# Split as Qwen's tokenizers do.
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
WORDS = [
    "Represent the user's input. system user assistant Cover: Picture 2: Frame 1:",
    "a red circle on a white wall. \n a blue sky, a cat and a note.\n",
]


def byte_level_tokenizer() -> PreTrainedTokenizerFast:
    from tokenizers import Regex

    tokenizer = Tokenizer(models.BPE())
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(WORDS * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=SPECIAL[0],
        eos_token=SPECIAL[2],
        additional_special_tokens=SPECIAL,
    )


ROPE: dict[str, Any] = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [4, 2, 2]}
ROPE3 = {**ROPE, "mrope_interleaved": True}
TEXT: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "initializer_range": 0.2,  # wide: a random model that still tells its inputs apart
    "rope_parameters": ROPE,
}
TEXT3 = {**TEXT, "head_dim": 16, "rope_parameters": ROPE3}
WIDE3 = {**TEXT, "head_dim": 32, "rope_parameters": {**ROPE3, "mrope_section": [8, 4, 4]}}
"""Heads of the smallest size that vLLM serves on a CPU."""
VISION: dict[str, Any] = {
    "depth": 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_heads": 2,
    "out_hidden_size": 64,
    "initializer_range": 0.2,
}
VISION3 = {**VISION, "num_position_embeddings": 64}
LINEAR = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 2,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
}

KINDS: dict[str, tuple[Any, Any, dict[str, Any], dict[str, Any], int]] = {
    "qwen3": (
        Qwen3VLForConditionalGeneration,
        Qwen3VLConfig,
        TEXT3,
        VISION3 | {"deepstack_visual_indexes": [0]},
        16,
    ),
    "qwen3-wide-heads": (
        Qwen3VLForConditionalGeneration,
        Qwen3VLConfig,
        WIDE3,
        VISION3 | {"deepstack_visual_indexes": [0]},
        16,
    ),
    "qwen2.5": (
        Qwen2_5_VLForConditionalGeneration,
        Qwen2_5_VLConfig,
        TEXT,
        VISION | {"fullatt_block_indexes": [1], "window_size": 56, "patch_size": 14},
        14,
    ),
    "qwen2": (
        Qwen2VLForConditionalGeneration,
        Qwen2VLConfig,
        TEXT,
        {"depth": 2, "embed_dim": 32, "hidden_size": 64, "num_heads": 2, "mlp_ratio": 2, "patch_size": 14},
        14,
    ),
    "qwen3-moe": (
        Qwen3VLMoeForConditionalGeneration,
        Qwen3VLMoeConfig,
        TEXT3 | {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32},
        VISION3 | {"deepstack_visual_indexes": [0]},
        16,
    ),
    "qwen3.5": (
        Qwen3_5ForConditionalGeneration,
        Qwen3_5Config,
        TEXT3
        | LINEAR
        | {
            "layer_types": ["linear_attention", "full_attention"],
            "rope_parameters": ROPE3 | {"partial_rotary_factor": 1.0},
        },
        VISION3,
        16,
    ),
}
"""By name: classes of model and configuration, text and vision settings, patch size."""


def draw_trained(backbone: Any, std: float = 0.1) -> None:
    """Draw the trained weights of a backbone, the same at every call: fresh adapters change nothing."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in backbone.parameters():
            if parameter.requires_grad:
                parameter.normal_(0, std, generator=generator)


def build_tiny_qwen(folder: Path, kind: str = "qwen3", seed: int = 0) -> Path:
    """Save a random model of one of the `KINDS` to `folder`, as a hub checkpoint is laid out."""
    tokenizer = byte_level_tokenizer()
    start, stop, image, video = tokenizer.convert_tokens_to_ids(SPECIAL[3:])
    model, config, text, vision, patch = KINDS[kind]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model(
            config(
                text_config=text | {"vocab_size": len(tokenizer)},
                vision_config=vision,
                image_token_id=image,
                video_token_id=video,
                vision_start_token_id=start,
                vision_end_token_id=stop,
            )
        ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    unit = (2 * patch) ** 2
    Qwen2VLImageProcessorPil(
        patch_size=patch, merge_size=2, size={"shortest_edge": 4 * unit, "longest_edge": 64 * unit}
    ).save_pretrained(folder)
    return folder
