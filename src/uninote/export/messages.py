"""Chat messages for a server of a merged Qwen-VL model, with texts and pictures trimmed as by `Encoder`."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

from uninote.encoder.qwen.chat import Chat
from uninote.encoder.qwen.pixels import Pixels
from uninote.encoder.qwen.render import Renderer
from uninote.encoder.qwen.settings import QwenSettings
from uninote.errors import ItemError, ModelError, reason_of
from uninote.items import Item, Picture
from uninote.problems import problem_of
from uninote.tasks.definitions import INSTRUCTIONS, Task

PROMPT_FILE = "uninote_prompt.json"
LIMITS = {"max_tokens", "max_pictures", "picture_pixels", "note_pixels"}
"""Options of section `encoder` that trim an item; the prompt file of a merged folder holds them."""


class ServerMessages:
    """Writer of the messages of items, by the limits, tokenizer and picture sizes of a merged folder.

    Pictures are PNG in `data:` addresses, with the pixels that the vision tower of `Encoder` takes: the
    server has nothing to convert, scale or drop. No weights are loaded.

    Raises ModelError when the folder is no merged model.
    """

    def __init__(self, folder: str | Path) -> None:
        from transformers import AutoTokenizer
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

        folder = Path(folder)
        try:
            trained = json.loads((folder / PROMPT_FILE).read_text("utf-8"))["encoder"]
            image = int(json.loads((folder / "config.json").read_text("utf-8"))["image_token_id"])
            self._settings = QwenSettings(model=str(folder), **trained)
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise ModelError(
                f"{folder} is no merged model ({problem_of(error)}): write one with "
                "`uninote export MODEL --out FOLDER --format transformers`"
            ) from error
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            processor = Qwen2VLImageProcessorPil.from_pretrained(folder)
        except (OSError, ValueError) as error:
            raise ModelError(f"{folder} has no tokenizer or picture processor: {reason_of(error)}") from error
        self._pixels = Pixels(processor)
        self._chat = Chat(self._tokenizer, image)
        self._renderer = Renderer(self._settings, self._chat, self._pixels)

    def __call__(self, item: Item, task: Task | str | None = None) -> list[dict[str, Any]]:
        """Return the system message of a query of `task`, if any, and the message of the item.

        Raises PictureError when a picture cannot be read, ItemError for frames of a video, ModelError for an
        unknown task.
        """
        if any(picture.frame for picture in item.pictures):
            raise ItemError("a server labels frames of a video as pictures: send them to `uninote serve`")
        if task and task not in INSTRUCTIONS:
            raise ModelError(f"{task!r} is no task: choose one of {', '.join(INSTRUCTIONS)}")
        instruction = INSTRUCTIONS[Task(task)] if task else ""
        by_digest = {picture.digest: picture for picture in item.pictures}
        content: list[dict[str, Any]] = []
        for block in self._renderer.blocks(item, len(self._chat.head(instruction))):
            if block.visual:
                url = self._address(by_digest[block.digest], block.side)
                content.append({"type": "image_url", "image_url": {"url": url}})
            else:
                tokens = block.before[len(self._chat.separator) if content else 0 :]
                text = self._tokenizer.decode(tokens, clean_up_tokenization_spaces=False)
                content.append({"type": "text", "text": text})
        system = [{"role": "system", "content": instruction}] if instruction else []
        return [*system, {"role": "user", "content": content}]

    def _address(self, picture: Picture, side: tuple[int, int]) -> str:
        buffer = io.BytesIO()
        self._pixels.resized(picture, side).save(buffer, "PNG")
        return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
