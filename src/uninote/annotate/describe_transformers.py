"""Describer with a local image-text-to-text model of `transformers` (any with a chat template)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import torch
from PIL import Image

from uninote.annotate.protocol import DESCRIBE_PROMPT
from uninote.corpus.rgb import squeezed
from uninote.errors import ModelError, reason_of


@dataclass(frozen=True)
class TransformersDescriber:
    """Describer with greedy decoding in batches; the model is loaded at the first call.

    Attributes:
        model: local folder or hub id of an `AutoModelForImageTextToText` model.
        device: "auto" is CUDA if available, else the CPU. Weights are bfloat16 on CUDA, float32 elsewhere.
    """

    model: str
    prompt: str = DESCRIBE_PROMPT
    max_new_tokens: int = 96
    batch_size: int = 8
    device: str = "auto"

    @property
    def name(self) -> str:
        asked = f"{self.prompt}|{self.max_new_tokens}"
        return f"transformers:{self.model}:{sha256(asked.encode()).hexdigest()[:12]}"

    def __call__(self, images: Sequence[Image.Image]) -> list[str]:
        """Describe RGB pictures, one text each. Raises ModelError when the model cannot be loaded."""
        texts: list[str] = []
        for start in range(0, len(images), self.batch_size):
            texts += self._describe(images[start : start + self.batch_size])
        return texts

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        """Processor and model."""
        from transformers import AutoModelForImageTextToText, AutoProcessor

        device = self.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
        try:
            processor = AutoProcessor.from_pretrained(self.model)
            model = AutoModelForImageTextToText.from_pretrained(self.model, dtype=dtype)
        except ImportError as error:
            raise ModelError(
                f"describing with {self.model} needs a package that is not installed "
                f"(Qwen-VL processors need torchvision): {reason_of(error)}"
            ) from error
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"model {self.model} cannot be loaded to describe pictures: {reason_of(error)}"
            ) from error
        if getattr(processor, "chat_template", None) is None or not hasattr(processor, "image_processor"):
            raise ModelError(f"model {self.model} has no image processor with a chat template")
        processor.tokenizer.padding_side = "left"  # generation continues from the last position
        if processor.tokenizer.pad_token is None:
            processor.tokenizer.pad_token = processor.tokenizer.eos_token
        return processor, model.to(device).eval()

    def _describe(self, images: Sequence[Image.Image]) -> list[str]:
        processor, model = self._loaded
        conversations = [
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "image": squeezed(image)},
                        {"type": "text", "text": self.prompt},
                    ],
                }
            ]
            for image in images
        ]
        inputs = processor.apply_chat_template(
            conversations,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        ).to(model.device, dtype=model.dtype)
        with torch.inference_mode():
            tokens = model.generate(**inputs, max_new_tokens=self.max_new_tokens, do_sample=False)
        new = tokens[:, inputs["input_ids"].shape[1] :]
        return [text.strip() for text in processor.batch_decode(new, skip_special_tokens=True)]
