"""ONNX export of the compact model, fp32 and int8, against torch: size, speed and similarity of vectors.

    python benchmarks/onnx_int8.py --notes path/to/notes.jsonl --model model-rl

The same texts and pictures go through the towers of all three, rounds taking turns, timed in CPU seconds, so
that other work on the machine does not count. Towers take nearly all of the time of an item that is new; what
comes after them is the same in all three. Without --model the untrained model is measured. Results:
`benchmarks/results/`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rounds import RESULTS, take_turns

from uninote import Encoder, Item, SkipReport, load_settings, read_notes
from uninote.corpus.decode import load_picture
from uninote.encoder.compact.towers import EXPORTED
from uninote.evaluation.results import write_result
from uninote.export import export_model
from uninote.settings import EncoderSettings


def ratio(times: dict[str, list[float]], slow: str, fast: str) -> tuple[float, tuple[float, float]]:
    """Return the speed-up of `fast` over `slow`: median of the rounds, with the lowest and highest round."""
    each = [a / b for a, b in zip(times[slow], times[fast], strict=True)]
    return statistics.median(each), (min(each), max(each))


def first_hits(queries: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    """Compute the share of queries whose own target is nearest."""
    return float(np.mean((queries @ targets.T).argmax(1) == np.arange(len(queries))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--count", type=int, default=200, help="notes that are measured")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings = load_settings()
    notes = read_notes(arguments.notes, settings.corpus, SkipReport())
    notes = [note for note in notes if note.title.strip()]
    notes = notes[:: max(1, len(notes) // arguments.count)][: arguments.count]
    whole = [note.item() for note in notes]
    titles = [Item.of(note.title) for note in notes]
    bodies = [Item.of(note.body, *note.pictures) for note in notes if note.body.strip()]
    items = [*whole, *titles, *bodies]
    plain = (
        Encoder.load(arguments.model, device="cpu", read="given")
        if arguments.model
        else Encoder.compact(EncoderSettings(read="given", device="cpu"))  # type: ignore[call-arg]
    )

    with tempfile.TemporaryDirectory() as space:
        folder = export_model(plain, Path(space) / "onnx", "onnx")
        encoders = {
            "torch": plain,
            "fp32": Encoder.load(folder, device="cpu"),
            "int8": Encoder.load(folder, device="cpu", precision="int8"),
        }
        graphs = {name: folder / EXPORTED / "text-0" / f"{name}.onnx" for name in ("fp32", "int8")}
        sizes = {name: graph.stat().st_size for name, graph in graphs.items()}
        vectors = {name: encoder.encode(items) for name, encoder in encoders.items()}
        cosine = {name: (vectors[name] * vectors["torch"]).sum(1) for name in ("fp32", "int8")}
        backbones: dict[str, Any] = {name: encoder.backbone for name, encoder in encoders.items()}
        elements = (one.content for item in items for one in backbones["torch"].elements(item))
        texts = list(dict.fromkeys(one for one in elements if isinstance(one, str)))
        times = take_turns(
            {name: lambda t=b.towers.texts[0]: t.encode(texts) for name, b in backbones.items()},
            arguments.rounds,
        )
        pictures = [picture for note in notes for picture in note.pictures][:64]
        vision = {name: backbones[name].towers.vision for name in ("torch", "fp32")}
        pixels = np.stack(
            [vision["torch"].pixels(load_picture(picture, settings.corpus)) for picture in pictures]
        )
        seen = take_turns(
            {name: lambda t=tower: t.encode(pixels) for name, tower in vision.items()}, arguments.rounds
        )

    hits = {
        name: first_hits(found[len(whole) : len(whole) + len(titles)], found[: len(whole)])
        for name, found in vectors.items()
    }
    for name, taken in times.items():
        print(f"text    {name:6} {len(texts) / statistics.median(taken):8.1f} texts/s")
    for name, taken in seen.items():
        print(f"vision  {name:6} {len(pixels) / statistics.median(taken):8.1f} pictures/s")
    for name, values in cosine.items():
        print(f"cosine  {name:6} min {values.min():.5f} mean {values.mean():.5f}  {sizes[name] / 1e6:.1f} MB")
    print("title finds its note at 1: " + ", ".join(f"{name} {value:.4f}" for name, value in hits.items()))

    model = " --model MODEL" if arguments.model else ""
    command = (
        f"python benchmarks/onnx_int8.py --notes notes.jsonl{model} --count {arguments.count} "
        f"--rounds {arguments.rounds}"
    )
    where = f"{len(texts)} text elements of {len(notes)} real notes"

    def write(name: str, claim: str, value: float, **more: Any) -> None:
        write_result(arguments.results, name, claim, round(value, 5), command=command, **more)

    speed, spread = ratio(times, "torch", "int8")
    write(
        "onnx-int8-speed",
        f"int8 encodes texts so many times as fast as torch; {where}; interval: of the rounds",
        speed,
        unit="x",
        interval=spread,
    )
    speed, spread = ratio(seen, "torch", "fp32")
    write(
        "onnx-vision-speed",
        f"onnxruntime runs the vision tower so many times as fast as torch; {len(pixels)} pictures",
        speed,
        unit="x",
        interval=spread,
    )
    write(
        "onnx-fp32-cosine",
        "Lowest cosine of a fp32 ONNX vector to torch's",
        float(cosine["fp32"].min()),
        goal=0.9999,
    )
    write(
        "onnx-int8-cosine",
        "Lowest cosine of an int8 vector to torch's",
        float(cosine["int8"].min()),
        goal=0.98,
    )
    write(
        "onnx-int8-size",
        "The int8 text graph is so many times smaller than fp32",
        sizes["fp32"] / sizes["int8"],
        unit="x",
    )
    write(
        "onnx-int8-recall",
        "Change of recall@1 from title to note by int8",
        100 * (hits["int8"] - hits["torch"]),
        unit="points",
    )


if __name__ == "__main__":
    sys.exit(main())
