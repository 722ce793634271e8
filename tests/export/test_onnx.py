"""ONNX export: a model folder whose towers are graphs gives the vectors of the model it was written from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from uninote.encoder import Encoder
from uninote.encoder.compact.aggregator import Aggregator
from uninote.errors import ItemError, ModelError
from uninote.export import export_model
from uninote.export.onnx_model import _export_aggregator
from uninote.items import Item, Picture

pytestmark = pytest.mark.slow

COSINE = 0.97
"""int8 against fp32 with random weights of the aggregator; `benchmarks/towers.py` measures the rows."""


@pytest.fixture(scope="module")
def folder(compact: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_model(compact, tmp_path_factory.mktemp("onnx") / "graphs", "onnx")


def test_fp32_equals_the_model(
    compact: Encoder, folder: Path, items: list[Item], make_picture: Callable[..., Picture]
) -> None:
    onnx = Encoder.load(folder, device="cpu")
    assert [tower.runner.kind for tower in (*onnx.backbone.towers.texts, onnx.backbone.towers.vision)] == [  # type: ignore[attr-defined]
        "onnxruntime cpu"
    ] * 2
    many = Item.of("words " * 200, *[make_picture(n) for n in range(10, 16)])
    for batch in ([items[1]], [items[2]], [*items, many]):
        assert np.allclose(onnx.encode(batch), compact.encode(batch), atol=2e-3)
        assert ((onnx.encode(batch) * compact.encode(batch)).sum(1) >= 0.9999).all()
    assert onnx.version == compact.version
    assert onnx.dims == compact.dims


def test_int8_is_close_and_small(compact: Encoder, folder: Path, items: list[Item]) -> None:
    onnx = Encoder.load(folder, device="cpu", precision="int8")
    cosine = (onnx.encode(items) * compact.encode(items)).sum(1)
    assert (cosine >= COSINE).all()
    assert (cosine < 1 - 1e-6).any()  # it is another graph
    text = folder / "towers" / "text-0"
    assert (text / "int8.onnx").stat().st_size * 3 < (text / "fp32.onnx").stat().st_size
    assert onnx.version == f"{compact.version}-int8"  # vectors of both must not share an index unnoticed


def test_a_bad_picture_costs_only_its_item(folder: Path, items: list[Item]) -> None:
    failures: dict[int, ItemError] = {}
    cut = Item.of(Picture.from_bytes(items[2].pictures[0].read()[:60]))
    vectors = Encoder.load(folder, device="cpu").encode([items[0], cut, items[1]], failures=failures)
    assert list(failures) == [1]
    assert np.isfinite(vectors[[0, 2]]).all()


def test_the_aggregator_is_a_graph_too(compact: Encoder, folder: Path, items: list[Item]) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(folder / "aggregator.onnx"))
    described = json.loads((folder / "onnx.json").read_text())["graphs"]
    assert {value.name for value in session.get_inputs()} == set(described["aggregator.onnx"]) - {"output"}
    assert all((folder / name).is_file() for name in described)
    for batch in (items[:1], items):
        inputs = {name: tensor.numpy() for name, tensor in compact.backbone.prepare(batch).items()}
        if len(inputs["pictures"]):
            [rows] = session.run(None, inputs)
            rows = rows[:, : compact.dims[-1]]
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            assert np.allclose(rows, compact.encode(batch), atol=1e-5)


def test_a_folder_without_a_graph_is_refused(folder: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(folder, tmp_path / "cut")
    (tmp_path / "cut" / "towers" / "vision" / "fp32.onnx").unlink()
    with pytest.raises(ModelError, match="no whole vision tower"):
        Encoder.load(tmp_path / "cut", device="cpu")


def test_attention_is_exported_for_items_of_any_length(tmp_path: Path) -> None:
    import onnxruntime

    torch.manual_seed(0)
    aggregator = Aggregator([12], 8, "attention", layers=2).eval()
    for parameter in aggregator.attention.parameters():  # the layers start as identity
        torch.nn.init.normal_(parameter, std=0.3)
    towers = SimpleNamespace(vision=SimpleNamespace(width=8))
    backbone: Any = SimpleNamespace(aggregator=aggregator, towers=towers)
    _export_aggregator(backbone, tmp_path / "aggregator.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "aggregator.onnx"))
    for lengths in ([1], [4, 2], [1, 3, 2, 5]):
        count = sum(lengths)
        inputs = {
            "kind": torch.randint(0, 3, (count,)),
            "row": torch.arange(count) % 5,
            "lengths": torch.tensor(lengths),
            "texts": torch.rand(3, 12),
            "pictures": torch.rand(2, 8),
        }
        (found,) = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
        assert np.allclose(found, aggregator(**inputs).detach().numpy(), atol=1e-5)
