"""Input pipeline of Qwen-VL: pictures and visual tokens a second by number of threads, next to a GPU's need.

    python benchmarks/input_pipeline.py                             # phone photos of 12 megapixels, made here
    python benchmarks/input_pipeline.py --notes path/to/notes.jsonl # your pictures as well

Sides, in wall-clock time, each the best of its rounds, as other work on the machine only slows them down:

* simple: one thread decodes in full, resizes and calls the picture processor of `transformers`.
* full, reduced: the input pipeline with full decoding, and with JPEGs decoded at a reduced scale.
* processes: as many processes of one thread as there are cores, reduced: what the machine gives at that time.

    visual tokens/s of a GPU = 0.55 x 989e12 FLOP/s / FLOPs of a visual token

0.55 of the dense bfloat16 peak of an H200 is the goal of its use. FLOPs of a visual token: those of a picture
alone in vision tower and language model (`random_qwen.Shape.flops`), over its visual tokens. Cores that a GPU
needs: its visual tokens/s over those of one thread.
"""

from __future__ import annotations

import argparse
import io
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from flops import PEAK
from PIL import Image
from random_qwen import MERGE, PATCH, PICTURE_PIXELS, SHAPES
from rounds import RESULTS, claim
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from uninote import Picture, SkipReport, load_settings, read_notes
from uninote.corpus.decode import load_picture
from uninote.corpus.resized import RESERVE
from uninote.corpus.rgb import squeezed
from uninote.encoder.encoder import AHEAD
from uninote.encoder.qwen.pixels import Pixels
from uninote.encoder.qwen.rows import Spot
from uninote.encoder.threads import Threads, ahead
from uninote.environment import environment
from uninote.evaluation.results import write_json
from uninote.limits import cores

SHARE = 0.55
BUDGET = 2048
"""Visual tokens of a batch."""
FULL = 1e6
"""Reserve that no JPEG has."""
CORPUS = load_settings().corpus


def photos(count: int, size: tuple[int, int] = (3000, 4000)) -> list[Picture]:
    """Make JPEGs with detail at every scale, as photographs have it, and the noise of a sensor."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(count):
        total = np.full((size[1], size[0], 3), 127, np.float32)
        for octave in range(2, 10, 2):
            small = Image.fromarray(rng.integers(0, 256, (2**octave, 2**octave, 3), np.uint8))
            total += (np.asarray(small.resize(size, Image.Resampling.BICUBIC), np.float32) - 127) / octave
        total += np.asarray(Image.effect_noise(size, 6), np.float32)[..., None] - 128
        data = io.BytesIO()
        Image.fromarray(np.clip(total, 0, 255).astype(np.uint8)).save(data, "JPEG", quality=90)
        made.append(Picture.from_bytes(data.getvalue()))
    return made


class Work:
    """Batches of pictures at the sizes of the encoder, and the ways of preparing them."""

    def __init__(self, pictures: Sequence[Picture]) -> None:
        unit = (PATCH * MERGE) ** 2
        size = {"shortest_edge": 4 * unit, "longest_edge": PICTURE_PIXELS}
        self.processor: Any = Qwen2VLImageProcessorPil(patch_size=PATCH, merge_size=MERGE, size=size)
        pixels = Pixels(self.processor, CORPUS)
        self.pictures = {picture.digest: [picture] for picture in pictures}
        self.batches: list[list[Spot]] = []
        self.tokens, filled = 0, BUDGET
        for picture in pictures:
            height, width = pixels.side(picture, PICTURE_PIXELS // unit)
            tokens = height * width // unit
            if filled + tokens > BUDGET:
                self.batches.append([])
                filled = 0
            self.batches[-1].append((picture.digest, (height, width)))
            filled += tokens
            self.tokens += tokens
        self.count = len(pictures)

    def simple(self) -> None:
        for batch in self.batches:
            found = []
            for digest, (height, width) in batch:
                image = squeezed(load_picture(self.pictures[digest][0], CORPUS))
                image = image.resize((width, height), Image.Resampling(self.processor.resample))
                one = self.processor(images=[image], do_resize=False, return_tensors="pt")
                found.append(one["pixel_values"])
            torch.cat(found).to(torch.bfloat16)

    def pipeline(self, threads: int, reserve: float) -> Callable[[], None]:
        pixels = Pixels(self.processor, CORPUS, threads)
        pixels.reserve = reserve

        def run() -> None:
            for _ in ahead(
                lambda batch: pixels.batch(batch, self.pictures),
                self.batches,
                Threads(min(AHEAD, threads), "prepare"),
                AHEAD,
            ):
                pass

        return run


def processes(count: int, work: Callable[[], None]) -> Callable[[], None]:
    """Do the same work in every one of `count` forks."""

    def run() -> None:
        forks = []
        for _ in range(count):
            forks.append(os.fork())
            if not forks[-1]:
                work()
                os._exit(0)
        for fork in forks:
            os.waitpid(fork, 0)

    return run


def measure(work: Work, counts: Sequence[int], rounds: int) -> dict[str, dict[str, float]]:
    """Return pictures/s, visual tokens/s and cores used of the best round, by side."""
    sides: dict[str, Callable[[], None]] = {"simple": work.simple}
    for name, reserve in (("full", FULL), ("reduced", RESERVE)):
        sides |= {f"{name}-{count}": work.pipeline(count, reserve) for count in counts}
    most = cores()
    sides[f"processes-{most}"] = processes(most, work.pipeline(1, RESERVE))
    best: dict[str, dict[str, float]] = {}
    for number in range(rounds + 1):
        for name, side in sides.items():
            times = most if name.startswith("processes") else 1
            start, busy = time.perf_counter(), sum(os.times()[:4])
            side()
            wall, busy = time.perf_counter() - start, sum(os.times()[:4]) - busy
            found = {
                "pictures_per_s": round(times * work.count / wall, 1),
                "tokens_per_s": round(times * work.tokens / wall),
                "cores_used": round(busy / wall, 2),
            }
            if number:  # the first round warms up
                best[name] = max(found, best.get(name, found), key=lambda one: one["tokens_per_s"])
    return best


def needs(tokens: float) -> dict[str, float]:
    """Return visual tokens/s of an H200 by shape, for pictures of that many visual tokens."""
    found = {}
    for name in ("2b", "8b"):
        flops = sum(SHAPES[name].flops([round(tokens)], [round(tokens) * MERGE**2])) / round(tokens)
        found[name] = round(SHARE * PEAK["H200"] / flops)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notes", type=Path, help="your notes; their pictures are a second corpus")
    parser.add_argument("--count", type=int, default=240, help="pictures of your notes")
    parser.add_argument("--photos", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    here = cores()
    counts = sorted({*(2**n for n in range(here.bit_length())), here, 2 * here})
    command = "python benchmarks/input_pipeline.py" + (" --notes notes.jsonl" if arguments.notes else "")
    corpora = {"photos": photos(arguments.photos)}
    if arguments.notes:
        notes = read_notes(arguments.notes, CORPUS, SkipReport())
        unique = list({picture.digest: picture for note in notes for picture in note.pictures}.values())
        corpora["notes"] = unique[:: max(1, len(unique) // arguments.count)][: arguments.count]
    report: dict[str, Any] = {"command": command, "environment": environment(), "cores": here}
    for corpus, pictures in corpora.items():
        work = Work(pictures)
        best = measure(work, counts, arguments.rounds)
        need = needs(work.tokens / work.count)
        one = {name: best[f"{name}-1"]["tokens_per_s"] for name in ("full", "reduced")}
        one["simple"] = best["simple"]["tokens_per_s"]
        report[corpus] = {
            "pictures": work.count,
            "tokens_per_picture": round(work.tokens / work.count, 1),
            "sides": best,
            "h200_tokens_per_s": need,
            "cores_per_gpu": {
                shape: {name: round(tokens / rate, 1) for name, rate in one.items()}
                for shape, tokens in need.items()
            },
        }
        for name, found in best.items():
            print(f"{corpus} {name}: {found}", flush=True)
        print(f"{corpus} cores per GPU: {report[corpus]['cores_per_gpu']}", flush=True)
        rate = best[f"reduced-{here}"]["tokens_per_s"]
        of = f"Pictures/s of {here} threads, JPEGs reduced, over"
        for name, other, what in (
            ("scaling", here * one["reduced"], f"{here} times those of one thread"),
            ("vs-processes", best[f"processes-{here}"]["tokens_per_s"], f"{here} processes of one thread"),
            ("vs-simple", one["simple"], "one thread with the processor of transformers"),
        ):
            goal = 0.8 if name != "vs-simple" else 3 if here > 1 else None
            text, title = f"{of} {what}; {corpus}", f"input-pipeline-{corpus}-{name}"
            claim(title, text, rate / other, command, folder=arguments.results, goal=goal)
    write_json(arguments.results / "input-pipeline.json", report)


if __name__ == "__main__":
    main()
