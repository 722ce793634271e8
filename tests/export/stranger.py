"""A server of a merged folder without any code of this package: `transformers` alone."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

from uninote.corpus.decode import load_picture
from uninote.items import Item
from uninote.settings import CorpusSettings

IMAGE = "<|image_pad|>"
Messages = Sequence[dict[str, Any]]


def as_chat(item: Item, system: str = "") -> list[dict[str, Any]]:
    """Write an item as a stranger does: one message, pictures of PIL."""
    blocks = [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {"type": "image", "image": load_picture(part, CorpusSettings())}
        for part in item.parts
    ]
    asked = [{"role": "system", "content": system}] if system else []
    return [*asked, {"role": "user", "content": blocks}]


class Server:
    """Chat template, tokenizer, picture processor (of Pillow) and model of the folder."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
        self.model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()

    def ids(self, messages: Messages) -> tuple[torch.Tensor, dict[str, Any]]:
        """Return the token ids [1, n], and the picture inputs of the model."""
        prompt = self.tokenizer.apply_chat_template(messages, tokenize=False)
        pictures = [_opened(block) for block in messages[-1]["content"] if block["type"] != "text"]
        seen = dict(self.processor(images=pictures, return_tensors="pt")) if pictures else {}
        counts = [int(grid.prod()) // self.processor.merge_size**2 for grid in seen.get("image_grid_thw", [])]
        around = prompt.split(IMAGE)
        assert len(around) == len(counts) + 1
        prompt = around[0] + "".join(
            IMAGE * count + text for count, text in zip(counts, around[1:], strict=True)
        )
        ids = self.tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
        if seen:
            seen["mm_token_type_ids"] = (ids == self.tokenizer.convert_tokens_to_ids(IMAGE)).int()
        return ids, seen

    def embed(self, messages: Messages) -> NDArray[np.float32]:
        """Return the unit vector float32 [width]."""
        ids, seen = self.ids(messages)
        with torch.inference_mode():
            states = self.model.model(input_ids=ids, attention_mask=torch.ones_like(ids), **seen)
        last: NDArray[np.float32] = states.last_hidden_state[0, -1].numpy()
        return last / np.linalg.norm(last)


def _opened(block: dict[str, Any]) -> Any:
    if block["type"] == "image":
        return block["image"]
    data = block["image_url"]["url"].partition("base64,")[2]
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
