"""The ONNX graphs, run by onnxruntime, give the vectors of the model they were traced from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from uninote.encoder import Encoder
from uninote.errors import ItemError, ModelError
from uninote.export import export_model, load_onnx
from uninote.items import Item, Picture

pytestmark = pytest.mark.slow

COSINE = 0.97
"""int8 against fp32 with random adapters; `benchmarks/onnx_int8.py` measures it on real weights and notes."""


@pytest.fixture(scope="module")
def folder(shallow: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_model(shallow, tmp_path_factory.mktemp("onnx") / "graphs", "onnx")


def test_fp32_equals_the_model_for_every_shape(
    shallow: Encoder, folder: Path, items: list[Item], make_picture: Callable[..., Picture]
) -> None:
    onnx = load_onnx(folder, threads=1)
    many = Item.of("words " * 200, *[make_picture(n) for n in range(10, 16)])
    for batch in ([items[1]], [items[2]], items, [many], [*items, many]):
        want = shallow.encode(batch)
        assert np.allclose(onnx.encode(batch), want, atol=1e-5)
        assert ((onnx.encode(batch, dim=64) * shallow.encode(batch, dim=64)).sum(1) >= 0.9999).all()
    assert onnx.version == shallow.version
    assert onnx.dims == shallow.dims


def test_int8_is_close_and_small(shallow: Encoder, folder: Path, items: list[Item]) -> None:
    onnx = load_onnx(folder, precision="int8", threads=1)
    cosine = (onnx.encode(items) * shallow.encode(items)).sum(1)
    assert (cosine >= COSINE).all()
    assert (cosine < 1 - 1e-6).any()  # it is another graph
    assert (folder / "text.int8.onnx").stat().st_size * 3 < (folder / "text.onnx").stat().st_size
    assert onnx.version != shallow.version  # vectors of both must not share an index unnoticed


def test_a_bad_picture_costs_only_its_item(folder: Path, items: list[Item]) -> None:
    failures: dict[int, ItemError] = {}
    cut = Item.of(Picture.from_bytes(items[2].pictures[0].read()[:60]))
    vectors = load_onnx(folder, threads=1).encode([items[0], cut, items[1]], failures=failures)
    assert list(failures) == [1]
    assert np.isfinite(vectors[[0, 2]]).all()


def test_the_folder_describes_its_graphs(folder: Path) -> None:
    import onnx

    stored = json.loads((folder / "onnx.json").read_text())
    graphs = {name: onnx.load(str(folder / file)).graph for name, file in stored["graphs"].items()}
    assert [value.name for value in graphs["text"].input] == ["ids", "slots", "mask", "features", "member"]
    assert [value.name for value in graphs["vision"].input] == ["pixels"]
    for graph in graphs.values():
        assert all(value.type.tensor_type.shape.dim[0].dim_param for value in graph.input)


def test_errors_name_the_way_out(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="uninote export MODEL --format onnx"):
        load_onnx(tmp_path)
    encoder = load_onnx(folder, threads=1)
    with pytest.raises(ModelError, match="cannot be trained"):
        encoder.backbone.add_lora(2, 4, 0.0)
    with pytest.raises(ModelError, match="copy its folder"):
        encoder.save(tmp_path)
