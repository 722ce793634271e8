"""sentence-transformers folders against `SentenceTransformer` itself, and the modules that are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.encoder.towers.models import TEXTS

from uninote.encoder.towers import text_tower
from uninote.encoder.towers.sentence_folder import pooling_of
from uninote.errors import ModelError

Tiny = Callable[[str], Path]


def save_sentence(
    folder: Path, model: Path, pooling: str = "mean", dense: bool = False, prompt: bool = False
) -> Path:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules

    transformer = modules.Transformer(str(model), max_seq_length=24)
    parts: list[Any] = [transformer, modules.Pooling(32, pooling_mode=pooling)]
    if dense:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            parts.append(modules.Dense(32, 12, activation_function=torch.nn.Tanh()))
    prompts: dict[str, Any] = (
        {"prompts": {"query": "query: ", "document": ""}, "default_prompt_name": "query"} if prompt else {}
    )
    SentenceTransformer(modules=[*parts, modules.Normalize()], device="cpu", **prompts).save(str(folder))
    return folder


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("bert", {"pooling": "mean"}),
        ("bert", {"pooling": "cls", "prompt": True}),
        ("xlm_r", {"pooling": "mean", "prompt": True}),
        ("modernbert", {"pooling": "lasttoken"}),
        ("bert", {"pooling": "max", "dense": True}),
    ],
    ids=str,
)
def test_vectors_are_those_of_sentence_transformers(
    tiny: Tiny, tmp_path: Path, kind: str, options: dict[str, Any]
) -> None:
    from sentence_transformers import SentenceTransformer

    folder = save_sentence(tmp_path / "model", tiny(kind), **options)
    texts = [text for text in TEXTS if text]
    expected = SentenceTransformer(str(folder), device="cpu").encode(texts, normalize_embeddings=True)
    tower = text_tower(str(folder), device="cpu")
    found = tower.encode(texts)
    assert (found * expected).sum(1).min() >= 0.9999
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert tower.name != text_tower(str(tiny(kind)), device="cpu").name
    room = 24 - 2 - (tower.count("query: ") if options.get("prompt") else 0)
    assert tower.max_tokens == room


def test_the_name_changes_with_the_prompt_and_the_pooling(tiny: Tiny, tmp_path: Path) -> None:
    folder = save_sentence(tmp_path / "model", tiny("bert"))
    names = {text_tower(str(folder), device="cpu").name}
    for file, field, value in (
        ("config_sentence_transformers.json", "default_prompt_name", "own"),
        ("1_Pooling/config.json", "pooling_mode", "cls"),
    ):
        stored = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps(stored | {field: value, "prompts": {"own": "note: "}}))
        names.add(text_tower(str(folder), device="cpu").name)
    assert len(names) == 3


def test_the_configuration_of_older_releases_is_read() -> None:
    older = {
        "word_embedding_dimension": 32,
        "pooling_mode_cls_token": True,
        "pooling_mode_mean_tokens": False,
    }
    assert pooling_of(older, Path("m")) == "cls"
    assert pooling_of({}, Path("m")) == "mean"


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (
            "1_Pooling/config.json",
            {"pooling_mode": "weightedmean"},
            "pools by weightedmean; a tower pools by one",
        ),
        ("1_Pooling/config.json", {"pooling_mode": ["cls", "mean"]}, "pools by cls [+] mean"),
        ("1_Pooling/config.json", {"include_prompt": False}, "without the prompt"),
        ("2_Dense/config.json", {"activation_function": "os.system"}, "choose another model"),
        ("config_sentence_transformers.json", {"default_prompt_name": "none"}, "copy the whole folder again"),
    ],
)
def test_what_a_tower_is_not_made_of_is_refused(
    tiny: Tiny, tmp_path: Path, file: str, change: dict[str, Any], message: str
) -> None:
    folder = save_sentence(tmp_path / "model", tiny("bert"), dense=True)
    stored = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(stored | change))
    with pytest.raises(ModelError, match=message):
        text_tower(str(folder), device="cpu")


def test_an_unknown_module_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    folder = save_sentence(tmp_path / "model", tiny("bert"))
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["type"] = "somewhere.WordWeights"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match="a module of kind WordWeights"):
        text_tower(str(folder), device="cpu")
