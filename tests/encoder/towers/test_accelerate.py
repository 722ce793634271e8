"""Towers on onnxruntime: equal to torch, exported once, torch where graphs cannot be had; saved towers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.encoder.towers.models import save_bert, save_clip, save_siglip2

from uninote.encoder.towers import accelerate, text_tower, vision_tower
from uninote.encoder.towers.saved import save_tower
from uninote.errors import MissingExtraError, ModelError

TEXTS = ["a red circle", "rain", "a much longer text about rain on a red wall", "[SEP] [PAD]"]
PICTURES = [Image.new("RGB", (40, 30), "red"), Image.new("RGB", (20, 50), "blue")]

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def graphs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Cache of graphs of this test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(accelerate.VARIABLE, raising=False)
    return tmp_path / "cache" / "uninote" / "towers"


def kinds(*towers: object) -> list[str]:
    return [tower.runner.kind for tower in towers]  # type: ignore[attr-defined]


def test_graphs_equal_torch_and_are_exported_once(
    tmp_path: Path, graphs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_clip(tmp_path / "clip")
    text, vision = text_tower(str(folder), device="cpu"), vision_tower(str(folder), device="cpu")
    assert kinds(text, vision) == ["onnxruntime cpu"] * 2
    made = {path: path.stat().st_mtime_ns for path in graphs.rglob("*.onnx")}
    assert len(made) == 2
    pixels = np.stack([vision.pixels(picture) for picture in PICTURES])
    found = text.encode(TEXTS), vision.encode(pixels)

    again = text_tower(str(folder), device="cpu")
    assert np.array_equal(again.encode(TEXTS), found[0])
    assert {path: path.stat().st_mtime_ns for path in graphs.rglob("*.onnx")} == made

    monkeypatch.setenv(accelerate.VARIABLE, "torch")
    plain = text_tower(str(folder), device="cpu"), vision_tower(str(folder), device="cpu")
    assert kinds(*plain) == ["torch cpu"] * 2
    assert np.allclose(plain[0].encode(TEXTS), found[0], atol=1e-4)
    assert np.allclose(plain[1].encode(pixels), found[1], atol=1e-4)
    assert [tower.name for tower in plain] == [text.name, vision.name]
    assert vision.space == text.name


def test_int8_has_a_name_of_its_own_and_is_close(tmp_path: Path) -> None:
    folder = str(save_bert(tmp_path / "bert"))
    plain, small = (text_tower(folder, device="cpu", precision=one) for one in ("fp32", "int8"))  # type: ignore[arg-type]
    assert small.name == f"{plain.name}-int8"
    cosines = (plain.encode(TEXTS) * small.encode(TEXTS)).sum(1)
    assert (cosines > 0.95).all()
    assert not np.array_equal(plain.encode(TEXTS), small.encode(TEXTS))
    alone = np.concatenate([small.encode([text]) for text in TEXTS])
    assert np.array_equal(small.encode(TEXTS), alone)  # whatever the batch


def test_torch_runs_where_the_exporter_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(extra: str) -> None:
        raise MissingExtraError("not installed: onnx")

    monkeypatch.setattr(accelerate, "require", missing)
    folder = str(save_bert(tmp_path / "bert"))
    assert kinds(text_tower(folder, device="cpu")) == ["torch cpu"]
    with pytest.raises(MissingExtraError):
        text_tower(folder, device="cpu", precision="int8")


def test_a_damaged_graph_is_exported_again(tmp_path: Path, graphs: Path) -> None:
    folder = str(save_bert(tmp_path / "bert"))
    found = text_tower(folder, device="cpu").encode(TEXTS)
    [graph] = graphs.rglob("*.onnx")
    graph.write_bytes(b"cut")
    again = text_tower(folder, device="cpu")
    assert kinds(again) == ["onnxruntime cpu"]
    assert np.array_equal(again.encode(TEXTS), found)


def test_pictures_of_any_shape_run_on_torch_in_every_precision(tmp_path: Path) -> None:
    folder = str(save_siglip2(tmp_path / "siglip2"))
    seen = vision_tower(folder, device="cpu", precision="int8")
    assert kinds(seen) == ["torch cpu"]
    text = text_tower(folder, device="cpu", precision="int8")
    assert kinds(text) == ["onnxruntime cpu"]
    assert seen.space == text.name


def test_a_saved_tower_needs_no_weights(tmp_path: Path) -> None:
    folder = save_bert(tmp_path / "bert")
    tower = text_tower(str(folder), device="cpu")
    save_tower(tower, tmp_path / "saved", ("fp32", "int8"))
    for file in folder.iterdir():
        file.unlink()
    again = text_tower(str(tmp_path / "saved"))
    assert (again.name, again.width, again.max_tokens) == (tower.name, tower.width, tower.max_tokens)
    assert np.array_equal(again.encode(TEXTS), tower.encode(TEXTS))
    assert text_tower(str(tmp_path / "saved"), precision="int8").name.endswith("-int8")
    (tmp_path / "saved" / "fp32.onnx").write_bytes(b"cut")
    with pytest.raises(ModelError, match="no whole text tower"):
        text_tower(str(tmp_path / "saved"))
