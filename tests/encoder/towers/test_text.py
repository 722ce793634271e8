"""Text towers of real architectures: against the plain model, batches, control tokens, errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.encoder.towers.models import TEXTS, save_bert, seeded

from uninote.encoder.towers import TextTower, text_tower
from uninote.errors import ModelError

Tiny = Callable[[str], Path]
TEXT = ["bert", "xlm_r", "modernbert", "clip", "siglip", "siglip2"]


def load(folder: Path) -> TextTower:
    return text_tower(str(folder), device="cpu")


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("kind", TEXT)
def test_rows_are_of_length_one_and_do_not_depend_on_the_batch(tiny: Tiny, kind: str) -> None:
    tower = load(tiny(kind))
    together = tower.encode(TEXTS)
    assert together.shape == (len(TEXTS), tower.width)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alone = np.concatenate([tower.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert np.linalg.norm(together[0] - together[1]) > 0.01
    assert tower.encode([]).shape == (0, tower.width)


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize(("kind", "named"), [("bert", "last_hidden_state"), ("xlm_r", "last_hidden_state")])
def test_the_mean_of_a_plain_model_is_reproduced(tiny: Tiny, kind: str, named: str) -> None:
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = AutoModel.from_pretrained(tiny(kind)).eval(), AutoTokenizer.from_pretrained(tiny(kind))
    with torch.no_grad():
        inputs = tokenizer(TEXTS[0], return_tensors="pt")
        state = getattr(model(**inputs), named)[0].mean(0)
    expected = torch.nn.functional.normalize(state, dim=0).numpy()
    np.testing.assert_allclose(load(tiny(kind)).encode(TEXTS[:1])[0], expected, atol=1e-5)


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("kind", ["clip", "siglip", "siglip2"])
def test_a_shared_space_gives_the_text_features_of_the_model(tiny: Tiny, kind: str) -> None:
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = AutoModel.from_pretrained(tiny(kind)).eval(), AutoTokenizer.from_pretrained(tiny(kind))
    padding = {} if kind == "clip" else {"padding": "max_length", "max_length": 32}
    ids = tokenizer(TEXTS[1], return_tensors="pt", **padding)["input_ids"]
    with torch.no_grad():
        found = model.get_text_features(input_ids=ids).pooler_output[0]
    expected = torch.nn.functional.normalize(found, dim=0).numpy()
    np.testing.assert_allclose(load(tiny(kind)).encode(TEXTS[1:2])[0], expected, atol=1e-5)


@pytest.mark.parametrize("kind", TEXT)
def test_a_text_never_becomes_a_control_token(tiny: Tiny, kind: str) -> None:
    tower = load(tiny(kind))
    tokens = tower.tokens  # type: ignore[attr-defined]
    control = tokens.rules.control
    assert len(control) >= 2
    typed = " ".join(control)
    for text in (typed, typed.replace(" ", ""), "＜s＞ ＜/s＞ rain"):
        [ids], [plain] = tokens.encode([text]), tokens.encode(["rain"])
        frame = [id for id in plain if id in control.values()]
        assert [id for id in ids if id in control.values()] == frame, text
    first, second = tower.encode([f"rain {typed} snow", "rain snow"])
    assert np.linalg.norm(first - second) > 1e-4, "what was typed is read as text"


@pytest.mark.parametrize("kind", TEXT)
def test_a_long_text_is_cut_at_its_end(tiny: Tiny, kind: str) -> None:
    tower = load(tiny(kind))
    text = "rain in the valley, " * 40
    assert tower.count(text) > tower.max_tokens
    assert tower.count("") == 0
    most = 64 if kind in ("bert", "xlm_r", "modernbert") else 32
    assert len(tower.tokens.encode([text])[0]) == most  # type: ignore[attr-defined]
    np.testing.assert_allclose(tower.encode([text]), tower.encode([text + " snow"]), atol=1e-6)


def test_a_lone_surrogate_is_read(tiny: Tiny) -> None:
    assert np.isfinite(load(tiny("bert")).encode(["rain \ud800"])).all()


def test_the_name_changes_with_the_weights(tiny: Tiny, tmp_path: Path) -> None:
    other = seeded(lambda folder: save_bert(folder, hidden_size=16), tmp_path / "bert")
    assert load(other).name != load(tiny("bert")).name
    assert load(tiny("bert")).name == load(tiny("bert")).name


def test_what_cannot_be_a_text_tower_says_the_fix(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="name a tower of the package"):
        text_tower("no/such-model", device="cpu")
    with pytest.raises(ModelError, match="name it as the vision tower"):
        load(tiny("dinov2"))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ModelError, match=r"name a folder with config.json and \*.safetensors"):
        load(empty)
    whole = seeded(save_bert, tmp_path / "bert")
    (whole / "tokenizer.json").unlink()
    (whole / "tokenizer_config.json").unlink()
    with pytest.raises(ModelError, match=r"name a folder with tokenizer\.json"):
        load(whole)
    pickled = seeded(save_bert, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(ModelError, match="safetensors"):
        load(pickled)


def test_missing_weights_are_refused(tiny: Tiny, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = seeded(save_bert, tmp_path / "bert")
    weights = load_file(folder / "model.safetensors")
    weights.pop(next(name for name in weights if name.endswith("query.weight")))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lacks 1 weights of its bert model"):
        load(folder)
