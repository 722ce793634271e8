"""Contract of a backbone: start, warm-up, both stages, export and serving, for each kind that is registered.

A third one is held to the same path as those of the package; `tests/training/tiny_backbone.py` is all of it.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.training.tiny_backbone import TINY

from uninote.backbones import BACKBONES
from uninote.encoder import Encoder
from uninote.encoder.saved import Saved
from uninote.errors import ModelError
from uninote.export import export_model, load_sentence_transformer
from uninote.items import Item, Note, Picture
from uninote.pipeline import train
from uninote.service.concurrency.loaded_models import Models
from uninote.settings import Settings, load_settings
from uninote.tasks.definitions import Task

pytestmark = pytest.mark.slow

COLOURS = ("red", "blue", "pink", "gold")
OTHERS = ("maroon", "navy", "plum", "khaki")
ROOT = Path(__file__).parent.parent


def picture(colour: str, words: str) -> Picture:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 32), colour).save(buffer, "PNG")
    return Picture.from_bytes(buffer.getvalue(), description=words, ocr=(f"sale {words}",))


@pytest.fixture(scope="module")
def notes() -> list[Note]:
    made = []
    for n, colour in enumerate(COLOURS):
        pictures = (picture(colour, f"a {colour} wall"), picture(OTHERS[n], f"a pale {colour} wall"))
        made.append(Note(f"n{n}", f"title {colour}", f"first half {n}. second half {colour}.", pictures))
    return made


@pytest.fixture(params=["compact", "qwen-vl", "tiny"])
def settings(
    request: pytest.FixtureRequest, tiny_qwen: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Settings:
    monkeypatch.setitem(BACKBONES, "tiny", TINY)
    own: dict[str, Callable[[], dict[str, Any]]] = {
        "compact": lambda: {"vision_side": 32, "max_tokens": 256},
        "qwen-vl": lambda: {"model": str(tiny_qwen()), "dims": [16, 64], "max_tokens": 128},
        "tiny": lambda: {"dropout": 0.1},
    }
    stage = {"steps": 2, "batch_size": 2, "learning_rate": 1e-2, "save_every": 5, "lora": {"rank": 2}}
    return load_settings(
        None,
        encoder={"backbone": request.param, "device": "cpu", **own[request.param]()},
        negatives={"per_query": 1},
        sft={**stage, "head_learning_rate": 1e-2},
        rl={**stage, "noise": 2, "group_size": 3},
    )


def test_from_start_to_service(settings: Settings, notes: list[Note], tmp_path: Path) -> None:
    name = settings.encoder.backbone
    items = [note.item() for note in notes]
    base = train.base_model(settings, tmp_path / "base")
    start = tmp_path / "base"
    if "warmup" in train.stages_of(settings):
        start = tmp_path / "warmup"
        train.warmed_up_model(tmp_path / "base", notes, settings, start, None, False)
    else:
        with pytest.raises(ModelError, match="leave the warm-up out"):
            train.warmed_up_model(start, notes, settings, tmp_path / "warmup", None, False)

    stages = {"start": Encoder.load(start, device="cpu").encode(items)}
    stages["sft"] = train.stage_one(start, notes, settings, tmp_path / "sft", None, False).encode(items)
    trained = train.rl_model(tmp_path / "sft", notes, settings, tmp_path / "model", None, False)
    stages["rl"] = trained.encode(items)
    assert np.abs(stages["sft"] - stages["start"]).max() > 1e-4
    assert np.abs(stages["rl"] - stages["sft"]).max() > 1e-4

    saved = Saved(tmp_path / "model")
    assert (saved.backbone, saved.version, saved.dim) == (name, trained.version, trained.dims[-1])
    assert saved.version != base.version

    exported = export_model(tmp_path / "model", tmp_path / "exported")
    if (exported / "uninote_prompt.json").is_file():  # merged: a checkpoint of its own
        again = Encoder.pretrained(exported, dims=trained.dims, max_tokens=128, device="cpu").encode(items)
    else:
        model = load_sentence_transformer(exported, device="cpu")
        again = model.encode(items, normalize_embeddings=True)
    assert ((again * stages["rl"]).sum(1) >= 0.9999).all()

    models = Models(lambda folder: Encoder.load(folder, device="cpu", remember=8))
    models.add(tmp_path / "model")
    group = (trained.version, Task.T2NOTE)
    queries = [Item.of("a red wall"), Item.of("gold")]
    assert models.cost(queries[0], group) > 0
    served = np.stack(models.encode(queries, group))  # type: ignore[arg-type]
    assert np.allclose(served, trained.encode(queries, task=Task.T2NOTE), atol=1e-6)


def test_frozen_towers_are_refused_where_there_are_none(
    settings: Settings, notes: list[Note], tmp_path: Path
) -> None:
    train.base_model(settings, tmp_path / "base")
    asked = settings.model_copy(update={"rl": settings.rl.model_copy(update={"frozen_towers": True})})
    work = (tmp_path / "base", notes, asked, tmp_path / "model", None, False)
    if settings.encoder.backbone == "compact":
        train.rl_model(*work)
        return
    with pytest.raises(ModelError, match="leave frozen_towers out"):
        train.rl_model(*work)


def test_a_package_registers_by_an_entry_point(tmp_path: Path) -> None:
    """Start a process that knows only the path of the package."""
    about = tmp_path / "tiny_backbone-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-backbone\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[uninote.backbones]\ntiny = {TINY}\n")
    script = (
        "from uninote import Encoder, load_settings\n"
        "settings = load_settings(None, encoder={'backbone': 'tiny', 'device': 'cpu'})\n"
        "print(Encoder.load(Encoder.build(settings.encoder).save('model'), device='cpu').backbone.name)\n"
    )
    path = os.pathsep.join([str(tmp_path), str(ROOT), str(ROOT / "src")])
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert done.stdout.split() == ["tiny"]


def test_an_unregistered_name_is_refused_with_the_registered_ones() -> None:
    with pytest.raises(Exception, match=r"no backbone 'siglip': choose one of compact, qwen-vl"):
        load_settings(None, encoder={"backbone": "siglip"})
