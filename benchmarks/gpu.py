"""Qwen3-VL of 2B and 8B shape on one GPU: encoding and SFT, against sentence-transformers, in ten minutes.

    python benchmarks/gpu.py                          # 2b and 8b on a GPU, the tiny shape on a CPU
    python benchmarks/gpu.py --notes path/to/notes.jsonl --shapes 2b

Random weights of the published shapes (`random_qwen.py`), bfloat16 on a GPU; your notes, or posts made on
the spot with 1 to 12 pictures and short and long texts. Both sides encode the same items, one after the
other, each with the memory to itself, and train LoRA as `sft_vs_st.py` does.

    MFU = model FLOPs per second / peak FLOPs per second of the device in bfloat16, dense (`PEAK`)

Model FLOPs count only the operations that the result needs: 2 per weight and token of the language model's
layers, 2 x length x width per token and layer for causal attention, and for the vision tower the same by
patch, without the causal half; tokens of different items only, no padding, every picture once a batch.
Training counts the language model twice (forward, and backward to its inputs: the weights are frozen,
adapters left out) and the frozen tower once; recomputation by GradCache is not counted. On a CPU the peak
is that of a large float32 product, measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from peer import MISSING, as_messages, peer_of
from PIL import Image
from random_qwen import PATCH, SHAPES, Shape, build_qwen
from rounds import RESULTS, claim
from sft_vs_st import Ours, Theirs, draw_batches, with_adapters

from uninote import Encoder, Item, Note, Picture, SkipReport, load_settings, read_notes
from uninote.environment import environment
from uninote.evaluation.results import write_json
from uninote.settings import SftSettings

PEAK = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "B200": 2250e12}
"""Dense bfloat16 FLOP/s by name of the GPU, as the manufacturer states them."""
WORDS = ("harbour", "lantern", "violet", "market", "thunder", "paper", "orchard", "signal", "copper", "rain")


def peak(device: str) -> float | None:
    if device == "cuda":
        name = torch.cuda.get_device_name()
        return next((flops for part, flops in PEAK.items() if part in name), None)
    left, right = torch.randn(1024, 1024), torch.randn(1024, 1024)
    left @ right
    start = time.process_time()
    for _ in range(5):
        left @ right
    return 5 * 2 * 1024**3 / (time.process_time() - start)


def made_notes(folder: Path, count: int) -> list[Note]:
    """Make posts with 1 to 12 pictures of about 400 x 300 pixels and 5 to 700 words."""
    rng = random.Random(0)
    notes = []
    for n in range(count):
        pictures = []
        for i in range(rng.choice((1, 1, 2, 2, 3, 3, 4, 5, 6, 9, 12))):
            small = Image.frombytes("RGB", (8, 6), rng.randbytes(144))
            path = folder / f"{n}-{i}.jpg"
            small.resize((rng.randint(320, 480), rng.randint(240, 360)), Image.Resampling.BICUBIC).save(path)
            text = " ".join(rng.choices(WORDS, k=8))
            pictures.append(dataclasses.replace(Picture.from_path(path), description=text))
        body = " ".join(rng.choices(WORDS, k=rng.choice((5, 30, 80, 200, 700))))
        notes.append(Note(f"n{n}", " ".join(rng.choices(WORDS, k=5)), body, tuple(pictures)))
    return notes


@dataclasses.dataclass
class Work:
    """Work of a measured stretch, in terms that do not depend on the side that did it."""

    items: int
    tokens: int
    text_flops: float
    vision_flops: float

    @classmethod
    def of(cls, encoder: Encoder, shape: Shape, batches: list[list[Item]]) -> Work:
        backbone: Any = encoder.backbone
        items = [item for batch in batches for item in {item.key: item for item in batch}.values()]
        lengths = [backbone.cost(item) for item in items]
        patches = [
            height * width // PATCH**2
            for batch in batches
            for height, width in {
                block.digest: block.side
                for item in batch
                for block in backbone._blocks(item, len(backbone.chat.head("")), warn=False)
                if block.visual
            }.values()
        ]
        return cls(len(items), sum(lengths), *shape.flops(lengths, patches))


class Meter:
    """Seconds and peak memory of a stretch of work."""

    def __init__(self, device: str) -> None:
        self.cuda = device == "cuda"

    def __call__(self, run: Callable[[], Any]) -> tuple[float, float | None]:
        """Measure seconds, and peak GiB where the device reports it."""
        if not self.cuda:
            start = time.process_time()
            run()
            return time.process_time() - start, None
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        return time.perf_counter() - start, torch.cuda.max_memory_allocated() / 2**30


def free(device: str) -> None:
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


class Bench:
    """One shape: base weights, notes and batches, and the four measured stretches."""

    def __init__(self, name: str, notes: list[Note], space: Path, arguments: argparse.Namespace) -> None:
        self.name, self.shape, self.space = name, SHAPES[name], space
        self.device, self.arguments = arguments.device, arguments
        self.items = [note.item() for note in notes]
        self.items += [Item.of(p.description) for n in notes for p in n.pictures if p.description][
            : len(notes)
        ]
        self.base = build_qwen(space / "base", name, (note.body for note in notes), self.device)
        self.batches = draw_batches(notes, arguments.batch, arguments.steps + 1)
        self.settings = SftSettings(objective="infonce", temperature=0.05, chunk_size=arguments.chunk)
        self.dims = tuple(dim for dim in (64, 512, 1024, 2048, 4096) if dim <= self.shape.width)
        self.meter = Meter(self.device)

    def encoder(self, adapters: bool = False) -> Encoder:
        encoder = Encoder.pretrained(
            self.base,
            dims=self.dims,
            device=self.device,
            token_budget=self.arguments.tokens,
            gradient_checkpointing=adapters and self.checkpoints,
        )
        if adapters:
            torch.manual_seed(1)
            encoder.backbone.add_lora(16, 32, 0.0)
        return encoder

    @property
    def checkpoints(self) -> bool:
        """True where training recomputes activations: a chunk of 8B takes more than 139 GiB without."""
        return self.name in self.arguments.checkpointing

    def sft(self, side: Ours | Theirs) -> tuple[float, float | None]:
        side.step(self.batches[0])
        return self.meter(lambda: [side.step(batch) for batch in self.batches[1:]])

    def ours(self) -> Iterator[tuple[str, float, float | None, Work]]:
        encoder = self.encoder()
        work = Work.of(encoder, self.shape, [self.items])
        encoder.encode(self.items[:8])
        yield "encode", *self.meter(lambda: encoder.encode(self.items)), work
        encoder = self.encoder(adapters=True)
        sides = [
            [item for e in batch for item in (e.pair.query, e.pair.positive, *e.negatives)]
            for batch in self.batches[1:]
        ]
        work = Work.of(encoder, self.shape, sides)
        work.text_flops *= 2
        work.items = self.arguments.batch * self.arguments.steps  # queries with their candidates
        examples = [example for batch in self.batches for example in batch]
        yield "sft", *self.sft(Ours(encoder, examples, self.settings)), work

    def theirs(self) -> Iterator[tuple[str, float, float | None]]:
        options = {"model_kwargs": {"dtype": torch.bfloat16 if self.device == "cuda" else torch.float32}}
        peer = peer_of(self.encoder(), self.space / "peer", self.device, **options)
        free(self.device)

        def encode(items: list[Item]) -> None:
            peer.encode([as_messages(item) for item in items], batch_size=self.arguments.peer_batch)

        encode(self.items[:8])
        yield "encode", *self.meter(lambda: encode(self.items))
        peer = with_adapters(peer, self.encoder(adapters=True))
        if self.checkpoints:
            next(
                m for m in peer.modules() if hasattr(m, "gradient_checkpointing_enable")
            ).gradient_checkpointing_enable({"use_reentrant": False})
        free(self.device)
        yield "sft", *self.sft(Theirs(peer, self.dims, self.settings))


def measure(bench: Bench, top: float | None, results: Path, command: str, until: float) -> dict[str, Any]:
    """Measure one shape, by stretch; claims are written where both sides ran."""
    found: dict[str, Any] = {}
    works: dict[str, Work] = {}
    for name, seconds, memory, work in bench.ours():
        works[name] = work
        rate = (work.text_flops + work.vision_flops) / seconds
        found[name] = {
            "tokens_per_s": round(work.tokens / seconds, 1),
            "samples_per_s": round(work.items / seconds, 3),
            "mfu": round(rate / top, 4) if top else None,
            "peak_memory_gib": memory and round(memory, 2),
            "seconds": round(seconds, 2),
        }
        free(bench.device)
        print(f"{bench.name} {name} uninote: {found[name]}", flush=True)
        if top:
            goal = {"encode": 0.55, "sft": 0.45}[name] if bench.name == "8b" else None
            text = f"MFU of {name}, Qwen3-VL {bench.name} shape, random weights; formula in benchmarks/gpu.py"
            claim(f"{bench.name}-{name}-mfu", text, rate / top, command, folder=results, goal=goal, unit="")
    if MISSING or time.monotonic() > until:
        print(f"{bench.name}: {MISSING or 'no time left for sentence-transformers'}", flush=True)
        return found
    for name, seconds, memory in bench.theirs():
        ratio = seconds / found[name]["seconds"]
        found[name]["peer"] = {
            "tokens_per_s": round(works[name].tokens / seconds, 1),
            "samples_per_s": round(works[name].items / seconds, 3),
            "peak_memory_gib": memory and round(memory, 2),
            "seconds": round(seconds, 2),
        }
        print(f"{bench.name} {name} sentence-transformers: {found[name]['peer']}", flush=True)
        text = f"Samples/s of {name} over those of sentence-transformers, Qwen3-VL {bench.name} shape"
        claim(f"{bench.name}-{name}-vs-st", text, ratio, command, folder=results)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notes", type=Path, help="your notes; without, posts are made on the spot")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES)
    parser.add_argument("--count", type=int, help="notes that are encoded")
    parser.add_argument("--batch", type=int, help="queries of an SFT step")
    parser.add_argument("--chunk", type=int, default=8, help="rows encoded at once in SFT, on both sides")
    parser.add_argument(
        "--checkpointing", nargs="*", default=["8b"], help="shapes whose activations are recomputed in SFT"
    )
    parser.add_argument("--steps", type=int, default=2, help="measured SFT steps")
    parser.add_argument(
        "--tokens", type=int, default=32_768, help="token budget of UniNote's encoding batches"
    )
    parser.add_argument("--peer-batch", type=int, default=32, help="batch size of SentenceTransformer.encode")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    until = time.monotonic() + 60 * arguments.minutes
    cuda = torch.cuda.is_available()
    if not cuda:
        torch.set_num_threads(1)
    arguments.device = "cuda" if cuda else "cpu"
    arguments.count = arguments.count or (400 if cuda else 12)
    arguments.batch = arguments.batch or (32 if cuda else 4)
    shapes = arguments.shapes or (["2b", "8b"] if cuda else ["tiny"])
    top = peak(arguments.device)
    command = f"python benchmarks/gpu.py --shapes {' '.join(shapes)} --count {arguments.count}"
    command += f" --batch {arguments.batch} --steps {arguments.steps}"
    report: dict[str, Any] = {
        "command": command,
        "environment": environment(),
        "peak_flops": top,
    }
    with tempfile.TemporaryDirectory() as folder:
        space = Path(folder)
        if arguments.notes:
            notes = read_notes(arguments.notes, load_settings().corpus, SkipReport())
            notes = [note for note in notes if len(note.pictures) <= 12]
            notes = notes[:: max(1, len(notes) // arguments.count)][: arguments.count]
        else:
            notes = made_notes(space, arguments.count)
        for name in shapes:
            if time.monotonic() > until:
                print(f"{name}: no time left", flush=True)
                continue
            bench = Bench(name, notes, space / name, arguments)
            report[name] = measure(bench, top, arguments.results, command, until - 60)
            del bench
            free(arguments.device)
            shutil.rmtree(space / name)
    write_json(arguments.results / f"gpu-{'-'.join(shapes)}.json", report)


if __name__ == "__main__":
    main()
