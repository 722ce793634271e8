"""A trained tiny model, inputs of every kind, and the servers that must give them the same vectors."""

from __future__ import annotations

import base64
import io
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tests.export.conftest import perturb
from tests.service.http.running import Running, start

from uninote.encoder import Encoder
from uninote.items import Item, Note, Picture
from uninote.tasks.definitions import INSTRUCTIONS, Task

ROOT = Path(__file__).parents[2]
VLLM = ROOT / ".vllm" / "bin" / "python"
MISSING = "" if VLLM.exists() else "vLLM is not installed: make .vllm/installed"
MAX_TOKENS, PICTURES = 1000, 12
LIMITS: dict[str, Any] = {"dims": (16, 48), "max_tokens": MAX_TOKENS, "picture_pixels": 65_536}
"""Settings of the model. Its width is 64: a server has to cut."""

Vectors = NDArray[np.float32]
Messages = list[dict[str, Any]]


def train(base: Path, index: Path) -> Encoder:
    """Save a model with adapters to `index`/model, which `service` serves, and load it from there."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        perturb(Encoder.pretrained(base, device="cpu", **LIMITS)).save(index / "model")
    return Encoder.load(index / "model", device="cpu")


class Input(NamedTuple):
    """An input in the forms of both APIs: `given` is that of `/v1/embeddings` of the service."""

    item: Item
    given: Any
    task: Task | None = None


def picture(seed: int, size: tuple[int, int], grain: int = 60, ocr: tuple[str, ...] = ()) -> Picture:
    """Draw noise; `grain`: side of one grain in pixels."""
    cells = max(1, size[1] // grain), max(1, size[0] // grain), 3
    noise = Image.fromarray(np.random.default_rng(seed).integers(0, 256, cells, dtype=np.uint8))
    buffer = io.BytesIO()
    noise.resize(size, Image.Resampling.BICUBIC).save(buffer, "PNG")
    return Picture.from_bytes(buffer.getvalue(), ocr=ocr)


def inputs() -> dict[str, list[Input]]:
    """Return inputs within the limits, by kind."""
    read = picture(2, (640, 480), 4, ("a red", "circle"))
    long = picture(9, (800, 50)), picture(10, (12, 9)), picture(11, (30, 500), 5, ("a note",))
    notes = [
        Note("n", "a blue sky", "and a cat", (picture(0, (300, 200)), picture(1, (90, 120), 9))),
        Note("n", "", "a cat and a note", (read, picture(3, (40, 30)))),
        Note("n", "one <|image_pad|><|im_end|>", "", tuple(picture(n, (200, 100), 2) for n in range(4, 9))),
        Note("n", "", "", long),
    ]
    captions = ["a red circle", "  a blue sky,\n\na cat ", "<|im_start|>system a note<|im_end|>"]
    sizes = {(256, 192): 60, (900, 700): 1, (16, 16): 60, (999, 9): 60}
    pictures = [picture(12 + seed, size, sizes[size]) for seed, size in enumerate(sizes)] + other_forms()
    queries = [(Item.of(text), text, task) for text in captions for task in (Task.T2I, Task.T2NOTE)]
    return {
        "notes with several pictures": [Input(note.item(), {"note": as_note(note)}) for note in notes],
        "captions": [Input(Item.of(text), text) for text in captions],
        "single pictures": [Input(Item.of(one), {"pictures": [as_media(one)]}) for one in pictures],
        "queries with an instruction": [
            *(Input(*query) for query in queries),
            *(Input(Item.of(one), {"pictures": [as_media(one)]}, Task.I2NOTE) for one in pictures),
            *(Input(note.item(), {"note": as_note(note)}, Task.NOTE2NOTE) for note in notes),
        ],
    }


def encode(encoder: Encoder, asked: Sequence[Input]) -> Vectors:
    """Embed by `Encoder`, each with its task: unit rows [n, dim]."""
    return np.concatenate([encoder.encode([one.item], task=one.task) for one in asked])


def cut(rows: Vectors, dim: int) -> Vectors:
    """Return the first `dim` values of each row at unit length."""
    found: Vectors = rows[:, :dim] / np.linalg.norm(rows[:, :dim], axis=1, keepdims=True)
    return found


def over_limits() -> dict[str, Input]:
    """Return inputs that `Encoder` trims or converts, and a server alone does not, by what is wrong."""
    deep = io.BytesIO()
    values = np.random.default_rng(0).integers(0, 65_536, (90, 120), dtype=np.uint16)
    Image.fromarray(values).save(deep, "PNG")
    large = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (1250, 1000, 3), dtype=np.uint8)
    Image.fromarray(noise).save(large, "JPEG", quality=90)
    notes = {
        "pictures": Note("n", "a note", "", tuple(picture(n, (200, 150)) for n in range(PICTURES + 1))),
        "pixels": Note("n", "", "a cat", tuple(picture(n, (600, 450)) for n in range(PICTURES))),
        "tokens": Note("n", "a red circle", "".join(f"a{n}," for n in range(900)), (picture(0, (90, 120)),)),
        "ratio of sides": Note("n", "a cat", "", (picture(1, (2500, 10)), picture(2, (90, 120)))),
        "16 bits": Note("n", "a cat", "", (Picture.from_bytes(deep.getvalue()),)),
        "large JPEG": Note("n", "", "", (Picture.from_bytes(large.getvalue()),)),
    }
    return {name: Input(note.item(), {"note": as_note(note)}) for name, note in notes.items()}


def other_forms() -> list[Picture]:
    """Return a turned JPEG, a CMYK one, a palette with a transparent colour, and a half-transparent WEBP."""
    images = [Image.open(io.BytesIO(picture(seed, (300, 200)).read())) for seed in range(16, 20)]
    turned = Image.Exif()
    turned[0x112] = 6  # orientation
    clear = images[3].convert("RGBA")
    clear.putalpha(images[3].convert("L"))
    written: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (images[0], "JPEG", {"exif": turned}),
        (images[1].convert("CMYK"), "JPEG", {}),
        (images[2].quantize(16), "PNG", {"transparency": 0}),
        (clear, "WEBP", {"lossless": True}),
    ]
    found = []
    for one, form, options in written:
        buffer = io.BytesIO()
        one.save(buffer, form, **options)
        found.append(Picture.from_bytes(buffer.getvalue()))
    return found


def as_media(picture: Picture) -> dict[str, Any]:
    data = base64.b64encode(picture.read()).decode()
    return {"data": data, "ocr": list(picture.ocr) if picture.ocr else None}


def as_note(note: Note) -> dict[str, Any]:
    return {"title": note.title, "body": note.body, "pictures": [as_media(one) for one in note.pictures]}


def as_messages(item: Item, task: Task | None = None) -> Messages:
    """Write the messages of a client that knows only the chat API: files as they are, nothing trimmed."""
    content: list[dict[str, Any]] = [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{as_media(part)['data']}"}}
        for part in item.parts
    ]
    system = [{"role": "system", "content": INSTRUCTIONS[task]}] if task else []
    return [*system, {"role": "user", "content": content}]


@contextmanager
def vllm(
    folder: Path, log: Path, dim: int, dtype: str = "float32"
) -> Iterator[Callable[[Sequence[Messages]], Vectors]]:
    """Serve a merged folder by vLLM on the CPU. Yields a function of conversations to unit rows [n, dim]."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--model", folder, "--served-model-name", "m", "--runner", "pooling", "--dtype", dtype]
    words += ["--max-model-len", MAX_TOKENS, "--limit-mm-per-prompt", f'{{"image": {PICTURES}, "video": 0}}']
    words += [
        "--allowed-media-domains",
        "none.invalid",
        "--mm-processor-cache-gb",
        0,
        "--enforce-eager",
        "--host",
        "127.0.0.1",
        "--port",
        port,
    ]
    options = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1"}
    options |= {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "PYTHONPATH": ""}
    command = [str(VLLM), str(Path(__file__).with_name("vllm_launch.py")), *map(str, words)]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | options)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            _wait(client, process, log)

            def embed(conversations: Sequence[Messages]) -> Vectors:
                rows: list[list[float]] = []
                for start in range(0, len(conversations), 4):
                    body = {"model": "m", "messages": conversations[start : start + 4], "dimensions": dim}
                    answer = client.post("/v1/embeddings", json=body)
                    assert answer.status_code == 200, answer.text
                    rows += [one["embedding"] for one in answer.json()["data"]]
                return np.array(rows, np.float32)

            yield embed
    finally:
        process.terminate()
        process.wait(60)


def _wait(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if client.get("/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"vLLM did not start:\n{log.read_text()[-4000:]}")


@contextmanager
def service(index: Path) -> Iterator[Running]:
    """Serve `index`/model by `uninote serve`, with a database of its own."""
    command = [sys.executable, "-c", "from uninote.cli import main; main()"]
    running = start([*command, "serve", "--index", str(index), "--port", "0"], index, index / "log")
    try:
        yield running
    finally:
        running.stop()


def ask_service(running: Running, asked: Sequence[Input], dim: int) -> Vectors:
    """Embed by `/v1/embeddings`, one request per task."""
    rows: dict[int, list[float]] = {}
    with running.client() as client:
        for task in dict.fromkeys(one.task for one in asked):
            places = [n for n, one in enumerate(asked) if one.task == task]
            body = {"input": [asked[n].given for n in places], "task": task, "dimensions": dim}
            answer = client.post("/v1/embeddings", json=body)
            assert answer.status_code == 200, answer.text
            rows |= zip(places, (one["embedding"] for one in answer.json()["data"]), strict=True)
    return np.array([rows[n] for n in range(len(asked))], np.float32)
