"""The merged folder, read by transformers alone as a server does, gives the vectors of the trained model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer
from tests.export.stranger import Server, as_chat

from uninote.corpus.decode import load_picture
from uninote.encoder import Encoder
from uninote.errors import ModelError
from uninote.export.run import export_model
from uninote.items import Item, Note
from uninote.settings import CorpusSettings
from uninote.tasks.definitions import INSTRUCTIONS, Task


@pytest.mark.parametrize("kind", ["qwen3", "qwen2.5", "framed"])
def test_a_server_gives_the_same_tokens_and_vectors(
    trained_qwen: Callable[[str], Encoder], kind: str, items: list[Item], tmp_path: Path
) -> None:
    encoder = trained_qwen(kind)
    items = [*items, Item.of(items[2].pictures[0], "behind", items[0].pictures[1])]
    backbone: Any = encoder.backbone
    with backbone.model.disable_adapter():
        untrained = encoder.encode(items)
    want, asked = encoder.encode(items), encoder.encode(items, task=Task.T2NOTE)
    instruction = INSTRUCTIONS[Task.T2NOTE]
    tokens = [backbone.prepare([item], instruction)["ids"] for item in items]
    folder = export_model(encoder, tmp_path / "merged", "transformers")
    server = Server(folder)
    for n, item in enumerate(items):
        assert torch.equal(server.ids(as_chat(item, instruction))[0], tokens[n])
        assert server.embed(as_chat(item)) @ want[n] >= 0.9999
        assert server.embed(as_chat(item, instruction)) @ asked[n] >= 0.9999
        assert server.embed(as_chat(item)) @ asked[n] < 0.9999
    assert ((untrained * want).sum(1) < 0.999).all()  # the adapters were merged, not lost
    again = Encoder.pretrained(folder, encoder.settings.model_copy(update={"model": str(folder)}))
    assert ((again.encode(items, task=Task.T2NOTE) * asked).sum(1) >= 0.9999).all()  # a base to train on


def test_the_prompt_file_shows_the_prompt(trained_qwen: Callable[[str], Encoder], tmp_path: Path) -> None:
    encoder = trained_qwen("qwen3")
    folder = export_model(
        encoder, tmp_path / "merged", "sentence-transformers"
    )  # the same layout for Qwen-VL
    stored = json.loads((folder / "uninote_prompt.json").read_text())
    assert stored["example"]["prompt"] == (
        f"<|im_start|>system\n{INSTRUCTIONS[Task.I2T]}<|im_end|>\n<|im_start|>user\nA title \n"
        "Cover:<|vision_start|><|image_pad|><|vision_end|> \n"
        "Picture 2:<|vision_start|><|image_pad|><|vision_end|><|im_end|>\n<|im_start|>assistant\n"
    )
    assert stored["query_instructions"] == {task.value: text for task, text in INSTRUCTIONS.items()}
    assert json.loads((folder / "config.json").read_text())["matryoshka_dimensions"] == [16, 64]
    limits = stored["limits"]
    assert (limits["max_tokens"], limits["max_pictures"]) == (1000, 12)
    assert 450 < limits["note_pixels"] / 32**2 < 500  # pictures take half of what the instruction leaves
    modules = json.loads((folder / "modules.json").read_text())
    assert [module["type"].split(".")[0] for module in modules] == ["sentence_transformers"] * 3
    written = (
        "".join(path.read_text() for path in folder.rglob("*.json")) + (folder / "README.md").read_text()
    )
    assert str(tmp_path.parent) not in written  # no path of this machine


@pytest.mark.usefixtures("processor_without_video")
def test_sentence_transformers_loads_it_without_any_code_of_ours(
    qwen: Encoder, items: list[Item], note: Note, tmp_path: Path
) -> None:
    want, asked = qwen.encode(items), qwen.encode(items, task=Task.T2NOTE)
    model = SentenceTransformer(str(export_model(qwen, tmp_path / "merged")), device="cpu")
    images = [load_picture(picture, CorpusSettings()) for picture in (*note.pictures, *items[2].pictures)]
    plain = [{"text": list(note.item().texts), "image": images[:-1]}, "a red circle", images[-1]]
    for inputs in ([as_chat(item) for item in items], plain):
        assert ((model.encode(inputs) * want[: len(inputs)]).sum(1) >= 0.9999).all()
        prompted = model.encode(inputs, prompt_name="T2Note")
        assert ((prompted * asked[: len(inputs)]).sum(1) >= 0.9999).all()


def test_onnx_is_refused_with_the_way_out(trained_qwen: Callable[[str], Encoder], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="choose --format transformers"):
        export_model(trained_qwen("qwen3"), tmp_path / "graphs", "onnx")
    assert list(tmp_path.iterdir()) == []


def test_the_limits_of_a_model_with_native_video_name_its_videos(tiny_qwen: Any) -> None:
    said = {}
    for video in ("frames", "native"):
        backbone = Encoder.pretrained(tiny_qwen(), device="cpu", video=video).backbone
        said[video] = " ".join(backbone.export_limits())
    assert "videos" in said["native"]
    assert "videos" not in said["frames"]
