from __future__ import annotations

import shutil

import pytest
import torch

from uninote.encoder import Encoder
from uninote.encoder.compact.backbone import CompactBackbone
from uninote.errors import ModelError
from uninote.items import Item
from uninote.settings import EncoderSettings
from uninote.training.merge import merge_folders, merged_weights


def test_weights_are_interpolated_by_hand():
    first, second = {"w": torch.zeros(2, dtype=torch.float16)}, {"w": torch.ones(2, dtype=torch.float16)}
    merged = merged_weights(first, second, 0.25)
    assert merged["w"].tolist() == [0.25, 0.25]
    assert merged["w"].dtype == torch.float16


@pytest.mark.parametrize(("share", "nearer"), [(0.25, 0), (0.5, 1), (1.0, 1)])
def test_principal_axes_stay_orthogonal(share, nearer):
    ends = [{"w": torch.zeros(2), "connector.axes": axes} for axes in (torch.eye(2), torch.eye(2).flip(0))]
    assert torch.equal(merged_weights(*ends, share)["connector.axes"], ends[nearer]["connector.axes"])


@pytest.mark.parametrize("second", [{"v": torch.zeros(2)}, {"w": torch.zeros(3)}])
def test_models_that_do_not_fit_are_refused(second):
    with pytest.raises(ModelError, match="merge models of one origin"):
        merged_weights({"w": torch.zeros(2)}, second, 0.5)


def test_folders_become_one_model(tmp_path):
    settings = EncoderSettings(vision_side=32, max_tokens=256)
    encoder = Encoder(CompactBackbone(settings), settings)
    encoder.save(tmp_path / "a")
    torch.nn.init.normal_(encoder.backbone.connector.adapter[2].weight, std=0.2)
    encoder.save(tmp_path / "b")
    checkpoint = tmp_path / "b" / "run" / "checkpoint-3"  # of its training, none of the model
    checkpoint.mkdir(parents=True)
    shutil.copy(tmp_path / "b" / "connector.safetensors", checkpoint / "model.safetensors")
    merge_folders(tmp_path / "a", tmp_path / "b", 1.0, tmp_path / "end")
    merge_folders(tmp_path / "a", tmp_path / "b", 0.5, tmp_path / "half")
    items = [Item.of("a word or two")]
    vectors = {name: Encoder.load(tmp_path / name).encode(items)[0] for name in ("a", "b", "end", "half")}
    assert vectors["end"] == pytest.approx(vectors["b"], abs=1e-6)
    # Between the two: nearer to each than they are to one another.
    assert vectors["half"] @ vectors["a"] > vectors["b"] @ vectors["a"]
    assert vectors["half"] @ vectors["b"] > vectors["b"] @ vectors["a"]
    with pytest.raises(ModelError, match="one of the two"):
        merge_folders(tmp_path / "a", tmp_path / "b", 0.5, tmp_path / "b")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="same files of weights"):
        merge_folders(tmp_path / "a", tmp_path / "empty", 0.5, tmp_path / "c")
