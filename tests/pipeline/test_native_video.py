"""Native videos from a file of notes through both stages, embeddings and index to a service."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from tests.in_process import uninote
from tests.service.http.conftest import CLI
from tests.service.http.running import start

from uninote.corpus.readers import read_notes
from uninote.corpus.skips import SkipReport
from uninote.corpus.video import frames
from uninote.items import Item, joined
from uninote.pipeline import train
from uninote.settings import CorpusSettings, load_settings

pytestmark = pytest.mark.slow


def film(path: Path, seed: int, count: int = 40) -> None:
    """Write a video of ten frames a second, each of a colour of its own."""
    colours = np.random.default_rng(seed).integers(0, 256, (count, 3), np.uint8)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for colour in colours:
            pixels = np.broadcast_to(colour, (48, 64, 3))
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
        out.mux(stream.encode())


def test_from_notes_to_answers(tiny_qwen: Callable[..., Path], tmp_path: Path) -> None:
    records = []
    for n in range(6):
        film(tmp_path / f"{n}.mp4", n)
        Image.new("RGB", (40, 32), (40 * n, 90, 200 - 30 * n)).save(tmp_path / f"{n}.png")
        image = {"path": f"{n}.png", "description": f"wall {n}", "ocr": [f"sale {n}"]}
        text = {"title": f"title {n}", "body": f"one {n}. two."}
        records.append({"id": f"n{n}", **text, "images": [image], "video": f"{n}.mp4"})
    source = tmp_path / "notes.jsonl"
    source.write_text("\n".join(map(json.dumps, records)))
    lora = {"rank": 2}
    settings = load_settings(
        encoder={
            "model": str(tiny_qwen()),
            "video": "native",
            "device": "cpu",
            "dims": [16, 64],
            "max_tokens": 400,
        },
        annotate={"describe": "none", "ocr": "none"},
        negatives={"per_query": 1},
        sft={"steps": 1, "batch_size": 2, "learning_rate": 1e-2, "lora": lora},
        rl={"steps": 1, "batch_size": 2, "learning_rate": 1e-2, "lora": lora, "noise": 2, "group_size": 3},
    )
    notes = list(read_notes(source, settings.corpus, SkipReport()))
    assert [len(group) for note in notes for group in joined(note.pictures)] == [1, 8] * 6
    train.base_model(settings, tmp_path / "base")
    stage_one = train.stage_one(tmp_path / "base", notes, settings, tmp_path / "sft", None, False)
    trained = train.rl_model(tmp_path / "sft", notes, settings, tmp_path / "model", None, False)
    items = [note.item() for note in notes]
    expected = trained.encode(items)
    assert np.abs(expected - stage_one.encode(items)).max() > 1e-5

    on_cpu = ("--set", "encoder.device=cpu", "--quiet")
    rows, index, model = tmp_path / "rows", tmp_path / "index", tmp_path / "model"
    for words in (
        ("embed", source, "--model", model, "--out", rows),
        ("index", rows, "--model", model, "--out", index),
    ):
        done = uninote(*words, *on_cpu)
        assert done.returncode == 0, done.stderr
    query = tmp_path / "query.jsonl"
    query.write_text(json.dumps(records[4]))
    done = uninote(
        "search", "--index", index, "--note", query, "-k", 1, "--set", "encoder.device=cpu", "--json"
    )
    assert done.returncode == 0, done.stderr
    (hit,) = json.loads(done.stdout)
    assert hit["id"] == "n4"
    assert hit["score"] > 0.9999

    own = ("--port", "0", "--set", "encoder.device=cpu", "--set", "annotate.ocr=none")
    running = start([*CLI, "serve", "--index", str(index), *own], index, tmp_path / "log")
    try:
        with running.client() as client:
            data = base64.b64encode((tmp_path / "2.mp4").read_bytes()).decode()
            asked = {"model": "uninote", "input": {"video": {"data": data}}}
            answer = client.post("/v1/embeddings", json=asked).raise_for_status().json()
        sampled = frames(tmp_path / "2.mp4", 64, CorpusSettings().by_rate())
        (alone,) = trained.encode([Item.of(*sampled)])
        assert np.dot(answer["data"][0]["embedding"], alone) > 0.9999
    finally:
        running.stop()
