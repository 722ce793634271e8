"""The folder that sentence-transformers loads gives the vectors of the model it was made from."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules.normalize import Normalize
from tests.encoder.wide_backbone import WideSettings
from tests.export.stranger import as_chat

from uninote.encoder import Encoder
from uninote.errors import ItemError, ModelError
from uninote.export import UniNoteModule, export_model, load_sentence_transformer
from uninote.items import Item, Note, Picture
from uninote.tasks.definitions import INSTRUCTIONS, Task

pytestmark = pytest.mark.slow


def image(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(picture.read()))


@pytest.fixture(scope="module")
def folder(compact: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_model(compact, tmp_path_factory.mktemp("export") / "model")


@pytest.fixture(scope="module")
def model(folder: Path) -> SentenceTransformer:
    return load_sentence_transformer(folder, device="cpu")


def test_same_vectors_whatever_form_the_input_has(
    compact: Encoder, model: SentenceTransformer, items: list[Item], note: Note
) -> None:
    want = compact.encode(items)
    pictures = [image(picture) for picture in note.pictures]
    forms: list[list[Any]] = [
        items,
        [as_chat(item) for item in items],
        [{"text": list(note.item().texts), "image": pictures}, "a red circle", image(items[2].pictures[0])],
        [note],
    ]
    for inputs in forms:
        got = model.encode(inputs)
        assert got.dtype == np.float32
        assert ((got * want[: len(inputs)]).sum(1) >= 0.9999).all()
    assert model.encode(note).shape == (384,)
    assert (want @ want.T - np.eye(len(want))).max() < 0.95  # the items differ


def test_the_folder_alone_is_enough(compact: Encoder, folder: Path, items: list[Item]) -> None:
    """Load by the library alone: the folder has no code, yet it asks before it imports our class."""
    assert not list(folder.rglob("*.py"))
    with pytest.raises(ValueError, match="trust_remote_code"):
        SentenceTransformer(str(folder), device="cpu")
    loaded = SentenceTransformer(str(folder), device="cpu", trust_remote_code=True, truncate_dim=64)
    assert loaded.get_embedding_dimension() == 64
    assert loaded.supports(("image", "text"))
    short = loaded.encode(items, normalize_embeddings=True)
    assert ((short * compact.encode(items, dim=64)).sum(1) >= 0.9999).all()


def test_saved_again_it_is_the_same_model(
    model: SentenceTransformer, folder: Path, items: list[Item], tmp_path: Path
) -> None:
    model.save(str(tmp_path / "copy"), create_model_card=False)
    again = load_sentence_transformer(tmp_path / "copy", device="cpu")
    assert np.array_equal(again.encode(items), model.encode(items))
    first, second = (Encoder.load(path).version for path in (folder, tmp_path / "copy"))
    assert first == second


def test_a_prompt_is_text_for_one_backbone_and_instruction_for_the_other(
    compact: Encoder, model: SentenceTransformer, qwen: Encoder, items: list[Item]
) -> None:
    prompted = model.encode(items, prompt="Find:")
    want = compact.encode([Item.of("Find:", *item.parts) for item in items])
    assert ((prompted * want).sum(1) >= 0.9999).all()

    module = UniNoteModule(qwen)
    prompts = {task.value: text for task, text in INSTRUCTIONS.items()}
    causal = SentenceTransformer(modules=[module, Normalize()], prompts=prompts, device="cpu")
    asked = qwen.encode(items, task=Task.T2NOTE)
    assert ((causal.encode(items, prompt_name="T2Note") * asked).sum(1) >= 0.9999).all()
    assert ((causal.encode(items) * qwen.encode(items)).sum(1) >= 0.9999).all()
    assert ((causal.encode(items) * asked).sum(1) < 0.9999).all()
    system = [
        [{"role": "system", "content": INSTRUCTIONS[task]}, *as_chat(items[1])]
        for task in (Task.T2NOTE, Task.T2NOTE)
    ]
    assert ((causal.encode(system) * asked[1]).sum(1) >= 0.9999).all()
    system[1][0]["content"] = "Another."
    with pytest.raises(ModelError, match="one instruction"):
        causal.encode(system)


def test_an_occupied_folder_is_left_alone(compact: Encoder, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ModelError, match="there already"):
        export_model(compact, tmp_path)
    with pytest.raises(ModelError, match="choose --format sentence-transformers"):
        export_model(compact, tmp_path / "new", "transformers")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_bad_vector_is_an_error_when_encoding(tmp_path: Path) -> None:
    encoder = Encoder.build(WideSettings(width=64, dims=(64,), device="cpu"))
    model = SentenceTransformer(modules=[UniNoteModule(encoder), Normalize()], device="cpu")
    assert np.isfinite(model.encode(["rain"])).all()
    with pytest.raises(ItemError, match="input 1 of a batch of 2: its vector has no direction"):
        model.encode(["rain", "zero"])
