"""Random Qwen3-VL models for benchmarks of speed: real architecture, tokenizer and picture processor, no hub.

`small` and `mini` keep the proportion of the 2B model, in which a visual token costs the vision tower about
as much as the language model, and are wide enough that on a CPU matrix products outweigh overhead.
`2b` and `8b` are the published shapes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch

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
PATCH, MERGE = 16, 2
PICTURE_PIXELS = 262_144


class Shape(NamedTuple):
    """Sizes of language model (width, layers, heads, kv heads, head dim, mlp) and vision tower."""

    width: int
    layers: int
    heads: int
    kv: int
    head: int
    mlp: int
    depth: int
    vision: int
    vision_heads: int
    vision_mlp: int
    deepstack: tuple[int, ...]
    vocabulary: int | None = None  # None: that of the trained tokenizer

    def text_parameters(self) -> int:
        """Count the weights of the language model's layers that every token is multiplied with.

        Of the last layer these are keys and values: the rest is needed for read-outs alone.
        """
        keys = 2 * self.width * self.head * self.kv
        others = 2 * self.width * self.head * self.heads + 3 * self.width * self.mlp
        return self.layers * keys + (self.layers - 1) * others

    def vision_parameters(self) -> int:
        """Count the weights of the vision tower per patch, patch embedding and mergers included."""
        layer = 4 * self.vision**2 + 2 * self.vision * self.vision_mlp
        # A merger reads MERGE² patches at once.
        merged = MERGE**2 * self.vision
        merger = merged * (merged + self.width) / MERGE**2
        return round(self.depth * layer + 3 * 2 * PATCH**2 * self.vision + (1 + len(self.deepstack)) * merger)

    def flops(self, lengths: Iterable[int], patches: Iterable[int]) -> tuple[float, float]:
        """Forward FLOPs of rows of so many tokens and of pictures of so many patches: (language, vision).

        2 per weight and token, plus 4·L·width per token for scores and mixing: half of that where causal.
        """
        text = sum(
            2 * self.text_parameters() * n + 2 * n * n * self.heads * self.head * (self.layers - 1)
            for n in lengths
        )
        seen = sum(2 * self.vision_parameters() * n + 4 * n * n * self.vision * self.depth for n in patches)
        return float(text), float(seen)


SHAPES = {
    "tiny": Shape(64, 2, 4, 2, 16, 128, 2, 32, 2, 64, (0,)),
    "mini": Shape(128, 3, 2, 1, 64, 384, 1, 64, 1, 256, (0,)),
    "small": Shape(192, 4, 3, 1, 64, 576, 2, 128, 2, 512, (0,)),
    "2b": Shape(2048, 28, 16, 8, 128, 6144, 24, 1024, 16, 4096, (5, 11, 17), 151_936),
    "8b": Shape(4096, 36, 32, 8, 128, 12_288, 27, 1152, 16, 4304, (8, 16, 24), 151_936),
}


def train_tokenizer(texts: Iterable[str], size: int = 8_192) -> Any:
    """Train a byte-level BPE with Qwen's splitting and special tokens on `texts`."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=SPECIAL[0],
        eos_token=SPECIAL[2],
        additional_special_tokens=SPECIAL,
    )


def build_qwen(folder: Path, name: str, texts: Iterable[str], device: str = "cpu", seed: int = 0) -> Path:
    """Save a random model of one of the `SHAPES`, laid out as a checkpoint of the hub; bfloat16 on a GPU."""
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
    from transformers.utils import logging

    logging.disable_progress_bar()  # of "Writing model shards"
    shape, tokenizer = SHAPES[name], train_tokenizer(texts)
    start, stop, image, video = tokenizer.convert_tokens_to_ids(SPECIAL[3:])
    spread = (
        0.02 if shape.vocabulary else 0.08
    )  # wide where the model is narrow, so that different inputs get different vectors
    half = shape.head // 2
    section = [half - 2 * (half // 3), half // 3, half // 3]
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": shape.vocabulary or len(tokenizer),
            "hidden_size": shape.width,
            "intermediate_size": shape.mlp,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.kv,
            "head_dim": shape.head,
            "max_position_embeddings": 32_768,
            "initializer_range": spread,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 5e6,
                "mrope_section": section,
                "mrope_interleaved": True,
            },
        },
        vision_config={
            "depth": shape.depth,
            "hidden_size": shape.vision,
            "intermediate_size": shape.vision_mlp,
            "num_heads": shape.vision_heads,
            "out_hidden_size": shape.width,
            "deepstack_visual_indexes": list(shape.deepstack),
            "initializer_range": spread,
        },
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=stop,
        tie_word_embeddings=True,  # the language head is not used: no memory for it
    )
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16 if device.startswith("cuda") else torch.float32)
    try:
        with torch.random.fork_rng(), torch.device(device):
            torch.manual_seed(seed)
            Qwen3VLForConditionalGeneration(config).save_pretrained(folder)
    finally:
        torch.set_default_dtype(default)
    tokenizer.save_pretrained(folder)
    unit = (PATCH * MERGE) ** 2
    Qwen2VLImageProcessorPil(
        patch_size=PATCH,
        merge_size=MERGE,
        size={"shortest_edge": 4 * unit, "longest_edge": PICTURE_PIXELS},
    ).save_pretrained(folder)
    return folder
