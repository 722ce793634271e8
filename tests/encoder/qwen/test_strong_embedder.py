"""Starting from a checkpoint that is an embedding model already, as Qwen3-VL-Embedding is published.

Such a checkpoint has no language head. Its published usage: the instruction as system text, "Represent the
user's input." where there is none, a picture before its text, the generation prompt, the last token's state.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from uninote.encoder import Encoder
from uninote.encoder.qwen.chat import CHATML
from uninote.errors import ModelError
from uninote.items import Item, Picture
from uninote.settings import load_settings
from uninote.tasks.definitions import INSTRUCTIONS, Task


def rewritten(
    folder: Path, target: Path, rename: Callable[[str], str | None], architecture: str = ""
) -> Path:
    """Copy a checkpoint with weights renamed, or left out where `rename` returns None."""
    shutil.copytree(folder, target)
    weights = load_file(target / "model.safetensors")
    kept = {new: tensor for name, tensor in weights.items() if (new := rename(name)) is not None}
    assert set(kept) != set(weights)
    save_file(kept, target / "model.safetensors", metadata={"format": "pt"})
    if architecture:
        config = json.loads((target / "config.json").read_text())
        (target / "config.json").write_text(json.dumps({**config, "architectures": [architecture]}))
    return target


@pytest.fixture(scope="module")
def headless(tiny_qwen: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("embedding") / "model"
    return rewritten(tiny_qwen(), target, lambda name: None if name.startswith("lm_head") else name)


def published(encoder: Encoder, content: list[dict[str, Any]], instruction: str) -> torch.Tensor:
    """Embed by the usage example that the model is published with, on `transformers` alone."""
    backbone: Any = encoder.backbone
    system = {"role": "system", "content": [{"type": "text", "text": instruction}]}
    prompt = backbone.tokenizer.apply_chat_template(
        [system, {"role": "user", "content": content}],
        chat_template=CHATML,
        tokenize=False,
        add_generation_prompt=True,
    )
    pictures = [part["image"] for part in content if part["type"] == "image"]
    seen: dict[str, Any] = dict(backbone.processor(images=pictures, return_tensors="pt")) if pictures else {}
    if pictures:
        (grid,) = seen["image_grid_thw"]
        prompt = prompt.replace("<|image_pad|>", "<|image_pad|>" * (int(grid.prod()) // 4))
    ids = backbone.tokenizer(prompt, return_tensors="pt")["input_ids"]
    if pictures:
        seen["mm_token_type_ids"] = (ids == backbone.picture_id).int()
    with torch.inference_mode():
        states = backbone.model.model(input_ids=ids, attention_mask=torch.ones_like(ids), **seen)
    return torch.nn.functional.normalize(states.last_hidden_state[0, -1], dim=0)


def test_one_option_starts_from_it_with_its_own_prompt_and_pooling(
    headless: Path, make_picture: Callable[..., Picture], tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text(f"encoder: {{model: '{headless}', device: cpu, max_tokens: 512}}")
    encoder = Encoder.build(load_settings(tmp_path / "config.yaml").encoder)
    picture = make_picture(1, (96, 64))
    image = {"type": "image", "image": Image.open(io.BytesIO(picture.read())).convert("RGB")}
    text = {"type": "text", "text": "a blue sky"}
    default, asked = "Represent the user's input.", INSTRUCTIONS[Task.T2NOTE]
    for item, content in ((Item.of("a blue sky"), [text]), (Item.of(picture), [image])):
        for task, instruction in ((None, default), (Task.T2NOTE, asked)):
            want = published(encoder, content, instruction)
            assert float(torch.from_numpy(encoder.encode([item], task=task)[0]) @ want) > 0.9999
    texts = torch.stack([published(encoder, [text], instruction) for instruction in (default, asked)])
    assert float(texts[0] @ texts[1]) < 0.9999  # the instruction is read


def test_its_bare_layout_gives_the_same_vectors(
    tiny_qwen: Callable[..., Path], headless: Path, tmp_path: Path
) -> None:
    bare = rewritten(headless, tmp_path / "bare", lambda name: name.removeprefix("model."), "Qwen3VLModel")
    item = [Item.of("a blue sky")]
    want = Encoder.pretrained(tiny_qwen(), device="cpu").encode(item)
    for folder in (headless, bare):
        assert (Encoder.pretrained(folder, device="cpu").encode(item) == want).all()


def test_a_checkpoint_with_gaps_is_refused(headless: Path, tmp_path: Path) -> None:
    """Refuse gaps, which the library would fill with random weights and only log."""
    cut = rewritten(headless, tmp_path / "cut", lambda name: None if "layers.1.mlp.up_proj" in name else name)
    with pytest.raises(ModelError, match=r"lacks 1 weights.*layers\.1\.mlp\.up_proj"):
        Encoder.pretrained(cut, device="cpu")
