"""Tiny random models of real architectures in folders, built without a hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

WORDS = [
    "a red circle on a white wall and a blue sky",
    "query: how to bake bread with a starter",
    "rain in the valley, sun on the hill, snow on the mountain",
    "一只猫坐在红色的沙发上",
]
TEXTS = [
    "a red circle on a white wall",
    "rain in the valley",
    "",
    "how to bake bread with a starter, and why the sky is blue. " * 4,
    "一只猫坐在红色的沙发上",
    "snow",
]
WIDE: dict[str, Any] = {"initializer_range": 0.2}  # a random model that still tells its inputs apart
SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    **WIDE,
}
PICTURES: dict[str, Any] = {**SIZES, "image_size": 32, "patch_size": 8}


def wordpiece() -> PreTrainedTokenizerFast:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator([*WORDS, "[ SEP ] cls mask < s >"], trainer)
    ends = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=64,
    )


def unigram() -> PreTrainedTokenizerFast:
    """Return a tokenizer of XLM-R's kind: its vocabulary holds the control tokens as pieces."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=150, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator([*WORDS, "< s > mask"], trainer)
    ends = [(name, tokenizer.token_to_id(name)) for name in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        cls_token="<s>",
        sep_token="</s>",
        mask_token="<mask>",
        model_max_length=64,
    )


def byte_level() -> PreTrainedTokenizerFast:
    """Return a tokenizer of CLIP's kind."""
    special = ["<|startoftext|>", "<|endoftext|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(WORDS, trainer)
    ends = [(name, tokenizer.token_to_id(name)) for name in special]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|startoftext|> $A <|endoftext|>", special_tokens=ends
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=special[0],
        eos_token=special[1],
        pad_token=special[1],
        unk_token=special[1],
        model_max_length=32,
    )


def ending() -> PreTrainedTokenizerFast:
    """Return a tokenizer of SigLIP's kind: a token at the end only."""
    found = unigram()
    end = ("</s>", found.convert_tokens_to_ids("</s>"))
    found.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[end]
    )
    found.model_max_length = 32
    return found


def save_bert(folder: Path, **options: Any) -> Path:
    tokenizer = wordpiece()
    config = hf.BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **{**SIZES, **options})
    return _save(folder, hf.BertModel(config), tokenizer)


def save_xlm_r(folder: Path) -> Path:
    tokenizer = unigram()
    config = hf.XLMRobertaConfig(
        vocab_size=len(tokenizer), max_position_embeddings=66, pad_token_id=1, type_vocab_size=1, **SIZES
    )
    return _save(folder, hf.XLMRobertaModel(config), tokenizer)


def save_modernbert(folder: Path) -> Path:
    tokenizer = wordpiece()
    sizes = {name: value for name, value in SIZES.items() if name != "initializer_range"}
    config = hf.ModernBertConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=64,
        local_attention=8,
        global_attn_every_n_layers=2,
        pad_token_id=tokenizer.pad_token_id,
        **sizes,
    )
    return _save(folder, hf.ModernBertModel(config), tokenizer)


def save_clip(folder: Path) -> Path:
    tokenizer = byte_level()
    ends = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    text = hf.CLIPTextConfig(vocab_size=len(tokenizer), max_position_embeddings=32, **SIZES, **ends)
    config = hf.CLIPConfig(
        text_config=text.to_dict(), vision_config=hf.CLIPVisionConfig(**PICTURES).to_dict(), projection_dim=24
    )
    processor = hf.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return _save(folder, hf.CLIPModel(config), tokenizer, processor)


def save_siglip(folder: Path) -> Path:
    tokenizer = ending()
    text = hf.SiglipTextConfig(vocab_size=len(tokenizer), max_position_embeddings=32, **SIZES)
    config = hf.SiglipConfig(
        text_config=text.to_dict(), vision_config=hf.SiglipVisionConfig(**PICTURES).to_dict()
    )
    processor = hf.SiglipImageProcessorPil(size={"height": 32, "width": 32})
    return _save(folder, hf.SiglipModel(config), tokenizer, processor)


def save_siglip2(folder: Path) -> Path:
    tokenizer = ending()
    text = hf.Siglip2TextConfig(vocab_size=len(tokenizer), max_position_embeddings=32, **SIZES)
    vision = hf.Siglip2VisionConfig(**SIZES, patch_size=8, num_patches=16)
    config = hf.Siglip2Config(text_config=text.to_dict(), vision_config=vision.to_dict())
    processor = hf.Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16)
    return _save(folder, hf.Siglip2Model(config), tokenizer, processor)


def save_dinov2(folder: Path) -> Path:
    config = hf.Dinov2Config(**PICTURES)
    processor = hf.BitImageProcessorPil(size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32})
    return _save(folder, hf.Dinov2Model(config), None, processor)


def save_dinov3(folder: Path) -> Path:
    config = hf.DINOv3ViTConfig(**PICTURES, num_register_tokens=2)
    _save(folder, hf.DINOv3ViTModel(config))
    stored = hf.ViTImageProcessorPil(size={"height": 32, "width": 32}).to_json_string()
    text = stored.replace("ViTImageProcessorPil", "DINOv3ViTImageProcessor")
    (folder / "preprocessor_config.json").write_text(text.replace('ViTImageProcessor"', 'ViTImageProcessor"'))
    return folder


def save_vit_without_pooler(folder: Path) -> Path:
    """Save a classifier, which has no weights of a pooler."""
    model = hf.ViTForImageClassification(hf.ViTConfig(**PICTURES))
    return _save(folder, model, None, hf.ViTImageProcessorPil(size={"height": 32, "width": 32}))


def save_convnext(folder: Path) -> Path:
    config = hf.ConvNextConfig(hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], image_size=64, **WIDE)
    processor = hf.ConvNextImageProcessorPil(size={"shortest_edge": 64}, crop_pct=1.0)
    return _save(folder, hf.ConvNextModel(config), None, processor)


def _save(folder: Path, model: Any, tokenizer: Any = None, processor: Any = None) -> Path:
    for module in (model, tokenizer, processor):
        if module is not None:
            module.save_pretrained(folder)
    return folder


def seeded(save: Any, folder: Path) -> Path:
    """Call `save` with the same random weights in every session."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found: Path = save(folder)
        return found
