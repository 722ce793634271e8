"""Loader of a Qwen-VL checkpoint, from a folder or the hub: model, tokenizer, processor, fingerprint."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch

from uninote.encoder.device import resolve_device
from uninote.encoder.fingerprint import weights_fingerprint
from uninote.encoder.qwen.packed_attention import PACKED, register_packed_attention
from uninote.errors import ModelError, reason_of


class Loaded(NamedTuple):
    """Loaded checkpoint: `base` is a hub id or an absolute path, `fingerprint` a hash of its weights."""

    base: str
    fingerprint: str
    model: Any
    tokenizer: Any
    processor: Any


def load_pretrained(base: str | Path, attention: str, device: str) -> Loaded:
    """Load the checkpoint in bfloat16 on CUDA, in float32 elsewhere.

    It reads safetensors only and runs no code of the checkpoint. Raises ModelError when the checkpoint cannot
    be read, is not of a family that takes pictures as Qwen-VL does, or has no such attention here.
    """
    from transformers import AutoModelForImageTextToText, AutoTokenizer
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import (
        Qwen2VLImageProcessorPil as Processor,
    )
    from transformers.utils import logging as transformers_logging

    folder = Path(base)
    source = str(folder.resolve()) if folder.is_dir() else str(base)
    cuda = resolve_device(device).type == "cuda"
    dtype = torch.bfloat16 if cuda and torch.cuda.is_bf16_supported() else torch.float32
    transformers_logging.disable_progress_bar()
    implementation = _attention(attention, cuda)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        # Named, as the automatic choice needs torchvision; Pillow gives the same pixels everywhere.
        processing, _ = Processor.get_image_processor_dict(source)
        processor = Processor.from_pretrained(source)
        model, report = AutoModelForImageTextToText.from_pretrained(
            source,
            dtype=dtype,
            attn_implementation=implementation,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, ImportError) as error:
        reason = reason_of(error)
        raise ModelError(
            f"{base} cannot be loaded as a Qwen-VL model: {reason}; name a folder with config.json, a "
            "tokenizer, preprocessor_config.json and *.safetensors, or a hub id that can be reached"
        ) from error
    kind = str(processing.get("image_processor_type", ""))
    # Positions on three axes are what the family has in common, next to its picture processing.
    if not kind.startswith("Qwen2VL") or not hasattr(model.model, "get_rope_index"):
        raise ModelError(
            f"{base} is a {model.config.model_type} model with {kind or 'an unnamed picture processor'}, "
            "which does not take pictures as Qwen-VL does: choose a Qwen2-VL, Qwen2.5-VL or Qwen3-VL model"
        )
    # The library fills gaps with random weights. An embedding model has no language head, and needs none.
    missing = sorted(name for name in report["missing_keys"] if not name.startswith("lm_head."))
    if missing:
        raise ModelError(
            f"{base} lacks {len(missing)} weights of its {model.config.model_type} model, "
            f"{missing[0]} among them: download it again, or name the merged model if these are adapters"
        )
    commit = getattr(model.config, "_commit_hash", None)
    return Loaded(source, commit or weights_fingerprint(folder), model, tokenizer, processor)


def video_processing(base: str) -> dict[str, Any]:
    """Return the configuration of the checkpoint's video processor; that of pictures where it has none.

    Raises ModelError when neither can be read.
    """
    from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor as Processor

    try:
        found: dict[str, Any] = Processor.get_video_processor_dict(base)[0]
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{base} says nothing of videos: {reason_of(error)}; leave encoder.video out, or add the "
            "checkpoint's video_preprocessor_config.json"
        ) from error
    return found


def _attention(name: str, cuda: bool) -> str | dict[str, str]:
    """Choose the attention: flash attention in the vision tower, where asked for or installed, else SDPA.

    The language model takes packed rows, in the form that chooses the kernel itself.
    """
    from transformers.utils import is_flash_attn_2_available

    if name == "eager":
        return name
    register_packed_attention()
    usable = cuda and is_flash_attn_2_available()
    if name == "flash_attention_2" and not usable:
        raise ModelError(
            "encoder.attention: flash_attention_2 needs a GPU and the package flash-attn: install it, "
            "or leave it to auto"
        )
    flash = usable and name != "sdpa"
    return {"": "sdpa", "text_config": PACKED, "vision_config": "flash_attention_2" if flash else "sdpa"}
