"""Options of section `encoder` on a saved model: applied, or refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.encoder.wide_backbone import WIDE, WideSettings

from uninote.backbones import BACKBONES
from uninote.encoder import Encoder
from uninote.encoder.changes import changes_to, loaded_dims, loaded_version
from uninote.encoder.loading import load_encoder, load_options
from uninote.encoder.saved import Saved
from uninote.errors import ConfigError, ModelError
from uninote.items import Item
from uninote.settings import load_settings

ITEMS = [Item.of("a red car"), Item.of("rain")]


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Saved:
    monkeypatch.setitem(BACKBONES, "wide", WIDE)
    Encoder.build(WideSettings(width=2048, device="cpu")).save(tmp_path / "model")
    return Saved(tmp_path / "model")


def given(**options: Any) -> Any:
    return load_settings(None, encoder=options)


@pytest.mark.parametrize("asked", [[64], [64, 512], [512, 4096]])
def test_trained_dimensions_cut_the_vectors(saved: Saved, asked: list[int]) -> None:
    widest = max(dim for dim in asked if dim <= 2048)
    encoder = load_encoder(saved.folder, given(dims=asked))
    assert encoder.dims[-1] == widest == loaded_dims(saved, given(dims=asked).encoder)[-1]
    head = load_encoder(saved.folder, given()).encode(ITEMS)[:, :widest]
    expected = head / np.linalg.norm(head, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.encode(ITEMS), expected, atol=1e-6)
    assert encoder.version == saved.version  # a prefix of the same vectors


def test_all_dimensions_of_a_wider_model_are_no_change(saved: Saved) -> None:
    assert saved.dims == (64, 512, 1024, 2048)
    assert changes_to(saved, {"dims": [64, 512, 1024, 2048, 4096]}) == {}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"dims": [100]}, r"dims \[100\] .*trained at 64, 512, 1024, 2048"),
        ({"dims": [4096]}, "trained at 64, 512, 1024, 2048"),
        ({"max_tokens": 99}, r"encoder\.max_tokens of a saved model cannot be changed.* 512, not 99"),
        ({"pooling": "mean"}, r"model is a wide model, which has no option encoder\.pooling"),
        ({"max_pictures": 3}, r"no option encoder\.max_pictures"),  # of Qwen-VL
        ({"model": "a/b"}, r"no option encoder\.model"),
        ({"backbone": "compact"}, "encoder.backbone .*'wide', not 'compact'"),
    ],
)
def test_what_training_fixed_is_refused_by_name(saved: Saved, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        load_encoder(saved.folder, given(**options))


def test_a_wrong_value_is_told_in_plain_words(saved: Saved) -> None:
    with pytest.raises(ModelError, match=r"^encoder\.remember: must be a whole number$"):
        changes_to(saved, {"remember": "x"})


def test_what_does_not_change_vectors_is_applied(saved: Saved) -> None:
    encoder = load_encoder(saved.folder, given(token_budget=64, remember=7), remember=3)
    assert (encoder.token_budget, encoder.memory.size) == (64, 7)
    assert encoder.version == saved.version


def test_options_of_another_backbone_are_refused_where_a_model_is_built() -> None:
    with pytest.raises(ConfigError, match=r"compact backbone has no option encoder\.picture_pixels"):
        Encoder.build(given(picture_pixels=4096).encoder)


@pytest.mark.usefixtures("small_towers")
def test_what_changes_vectors_changes_the_version(tmp_path: Path) -> None:
    Encoder.compact().save(tmp_path / "model")
    model, settings = Saved(tmp_path / "model"), given(read="given", precision="fp32")
    encoder = load_encoder(tmp_path / "model", settings)
    assert encoder.version == f"{model.version}-given" == loaded_version(model, settings.encoder)
    assert encoder.changes == {"read": "given"}


def test_options_of_a_qwen_model_are_applied(tiny_qwen: Any, tmp_path: Path) -> None:
    base = tiny_qwen()
    first = Encoder.pretrained(base, dims=(8, 16), device="cpu")
    first.save(tmp_path / "model")
    model = Saved(tmp_path / "model")
    encoder = load_encoder(tmp_path / "model", given(device="cpu", remember_pictures=5, model=str(base)))
    assert encoder.backbone.feature_cache.size == 5  # type: ignore[attr-defined]
    assert load_options(model, given(model="moved").encoder)["base"] == "moved"
    with pytest.raises(ModelError, match=r"encoder\.picture_pixels of a saved model cannot be changed"):
        load_encoder(tmp_path / "model", given(picture_pixels=2048))
