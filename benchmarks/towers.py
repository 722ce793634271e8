"""Frozen towers on a CPU: onnxruntime in fp32 and int8 against torch, by speed and by their vectors.

    python benchmarks/towers.py --notes path/to/notes.jsonl

The same chunks of text and the same decoded pictures go through all runtimes on one thread, rounds taking
turns, timed in CPU seconds, so that other work on the machine does not count. Results: `benchmarks/results/`.
"""

from __future__ import annotations

import argparse
import os
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rounds import RESULTS, take_turns

from uninote import SkipReport, load_settings, read_notes
from uninote.corpus.decode import load_picture
from uninote.encoder.towers import text_tower, vision_tower
from uninote.encoder.towers.accelerate import VARIABLE
from uninote.evaluation.results import write_result
from uninote.tasks.chunks import chunks


def on_torch(factory: Any, source: str) -> Any:
    """Load a tower on torch."""
    os.environ[VARIABLE] = "torch"
    try:
        return factory(source, device="cpu", threads=1)
    finally:
        del os.environ[VARIABLE]


def ratio(times: dict[str, list[float]], slow: str, fast: str) -> tuple[float, tuple[float, float]]:
    """Return the speed-up of `fast` over `slow`: median of the rounds, with the lowest and highest round."""
    each = [a / b for a, b in zip(times[slow], times[fast], strict=True)]
    return statistics.median(each), (min(each), max(each))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--text", default="minilm")
    parser.add_argument("--vision", default="efficientnet")
    parser.add_argument("--count", type=int, default=400, help="chunks of text; an eighth as many pictures")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    os.environ.pop(VARIABLE, None)
    torch.set_num_threads(1)
    settings = load_settings()
    notes = read_notes(arguments.notes, settings.corpus, SkipReport())
    texts = list(dict.fromkeys(chunk for note in notes for chunk in chunks(note.body)))
    texts = texts[:: max(1, len(texts) // arguments.count)][: arguments.count]
    pictures = list({p.digest: p for note in notes for p in note.pictures}.values())
    most = max(1, arguments.count // 8)
    pictures = pictures[:: max(1, len(pictures) // most)][:most]

    source: dict[str, Any] = {"device": "cpu", "threads": 1}
    towers = {
        "torch": on_torch(text_tower, arguments.text),
        "fp32": text_tower(arguments.text, **source),
        "int8": text_tower(arguments.text, precision="int8", **source),
    }
    eyes = {
        "torch": on_torch(vision_tower, arguments.vision),
        "fp32": vision_tower(arguments.vision, **source),
    }
    pixels = np.stack([eyes["torch"].pixels(load_picture(p, settings.corpus)) for p in pictures])
    vectors = {name: tower.encode(texts) for name, tower in towers.items()}
    seen = {name: tower.encode(pixels) for name, tower in eyes.items()}
    times = take_turns({n: lambda t=t: t.encode(texts) for n, t in towers.items()}, arguments.rounds)
    looks = take_turns({n: lambda t=t: t.encode(pixels) for n, t in eyes.items()}, arguments.rounds)

    for kind, run, tower, count in (
        ("text", times, towers, len(texts)),
        ("vision", looks, eyes, len(pixels)),
    ):
        for name, taken in run.items():
            rate = count / statistics.median(taken)
            print(f"{kind:8} {tower[name].runner.kind:16} {name:6} {rate:8.1f} a second")
    command = (
        f"python benchmarks/towers.py --notes notes.jsonl --count {arguments.count} "
        f"--rounds {arguments.rounds}"
    )
    where = (
        f"{len(texts)} chunks, {len(pixels)} pictures of real notes; {arguments.text}, {arguments.vision}; "
        "one thread"
    )

    def write(name: str, claim: str, value: float, **more: Any) -> None:
        print(f"{name}: {value:.5f} {more.get('interval', '')}")
        write_result(arguments.results, name, f"{claim}; {where}", round(value, 5), command=command, **more)

    for name, run, slow, fast in (
        ("towers-text-fp32-speed", times, "torch", "fp32"),
        ("towers-text-int8-speed", times, "torch", "int8"),
        ("towers-vision-speed", looks, "torch", "fp32"),
    ):
        speed, spread = ratio(run, slow, fast)
        claim = f"onnxruntime ({fast}) is so many times as fast as torch; interval: of the rounds"
        write(name, claim, speed, unit="x", interval=spread)
    for name in ("fp32", "int8"):
        lowest = float((vectors[name] * vectors["torch"]).sum(1).min())
        write(f"towers-{name}-cosine", f"Lowest cosine of a text row in {name} to torch's", lowest)
    scale = np.abs(seen["torch"]).max()
    farthest = float(np.abs(seen["fp32"] - seen["torch"]).max() / scale)
    write("towers-vision-error", "Largest error of a picture row, as a share of the largest number", farthest)


if __name__ == "__main__":
    main()
