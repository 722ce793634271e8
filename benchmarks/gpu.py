"""Qwen3-VL of 2B and 8B shape on one GPU: encoding and both training stages, profiled, in ten minutes.

    python benchmarks/gpu.py                          # 2b and 8b on a GPU, the tiny shape on a CPU
    python benchmarks/gpu.py --notes path/to/notes.jsonl --shapes 2b

Random weights of the published shapes (`random_qwen.py`), bfloat16 on a GPU; your notes, or made ones with 1
to 12 pictures and short and long texts. Encoding takes the fastest of several token budgets; training has
the default settings. MFU is defined in `flops.py`. Profiles come from steps of their own after the timed ones
(`gpu_profile.py`). sentence-transformers comes last: encoding at the best of its batch sizes, stage 1 by its
cached loss with a token budget.

The report is written after every stretch, and what is printed is read from it. A stretch that fails, or does
not end in time, is there with its reason.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from peer import MISSING  # before transformers, which looks for torchvision once

# isort: split
import torch
from flops import measured_product, stated_peak
from gpu_peer import Peer
from gpu_report import Report, table
from gpu_stretches import Bench
from gpu_timing import Options
from made_notes import made_notes
from random_qwen import SHAPES
from rounds import RESULTS, claim

from uninote import Note, SkipReport, load_settings, read_notes
from uninote.environment import environment
from uninote.evaluation.results import write_json

GOALS = {("8b", "encode"): 0.45, ("2b", "encode"): 0.35, ("8b", "stage 1"): 0.35}
"""MFU to reach, by shape and stretch."""


def measure(report: Report, benches: list[Bench], seconds: float) -> None:
    """Measure all shapes, then the peer on each; `seconds` are kept for every stretch of ours to come."""
    left = 3 * len(benches)
    for bench in benches:
        for name, run in (
            ("encode", bench.encode),
            ("stage 1", bench.stage_one),
            ("stage 2", bench.stage_two),
        ):
            left -= 1
            if "failed" in report.stretch(bench.name, name, run, reserve=left * seconds):
                bench.forget()
        bench.forget()
    for bench in benches if not MISSING else ():
        stage_one = report.content["shapes"][bench.name]["stage 1"]
        checkpoints = stage_one.get("gradient_checkpointing", False)
        peer = Peer(bench)
        report.stretch(bench.name, "encode", peer.encode, "peer")
        report.stretch(bench.name, "stage 1", lambda row: peer.stage_one(row, checkpoints), "peer")
        peer.forget()


def notes_of(arguments: argparse.Namespace, space: Path) -> list[Note]:
    if not arguments.notes:
        return made_notes(space, arguments.count)
    notes = read_notes(arguments.notes, load_settings().corpus, SkipReport())
    notes = [note for note in notes if len(note.pictures) <= 12]
    return notes[:: max(1, len(notes) // arguments.count)][: arguments.count]


def command_of(arguments: argparse.Namespace) -> str:
    """Return the command line that repeats the run, without paths."""
    words = ["python benchmarks/gpu.py"]
    for name, value in vars(arguments).items():
        if value is not None and name not in ("results", "notes"):
            values = value if isinstance(value, list) else [value]
            words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return " ".join(words + ["--notes notes.jsonl"] * bool(arguments.notes))


def main() -> None:
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notes", type=Path, help="your notes; without, notes are made on the spot")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=["2b", "8b"] if cuda else ["tiny"])
    parser.add_argument("--count", type=int, default=400 if cuda else 16, help="notes that are encoded")
    parser.add_argument(
        "--batch", type=int, default=None if cuda else 4, help="queries of a step; on a GPU the defaults"
    )
    parser.add_argument("--steps", type=int, default=3 if cuda else 2, help="timed training steps at most")
    tokens = [16_384, 32_768, 65_536] if cuda else [2_048]
    parser.add_argument("--tokens", type=int, nargs="+", default=tokens, help="token budgets of encoding")
    sizes = [8, 32, 128] if cuda else [1, 8]
    parser.add_argument("--peer-batches", type=int, nargs="+", default=sizes, help="batch sizes of the peer")
    parser.add_argument("--minutes", type=float, default=10, help="time of the whole run")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    device = "cuda" if cuda else "cpu"
    if not cuda:
        torch.set_num_threads(1)
    product = measured_product(device)
    peak = stated_peak(torch.cuda.get_device_name()) if cuda else product
    # Half of the time for the timed parts: three stretches a shape, and two of the peer.
    seconds = 60 * arguments.minutes / 2 / (5 * len(arguments.shapes))
    options = Options(
        device=device,
        seconds=seconds,
        steps=arguments.steps,
        batch=arguments.batch,
        tokens=arguments.tokens,
        peer_batches=arguments.peer_batches,
        peer_tokens=16_384 if cuda else 2_048,
        peak=peak,
    )
    command = command_of(arguments)
    head = {
        "command": command,
        "environment": environment(),
        "sentence-transformers": MISSING or version("sentence-transformers"),
        "torch_threads": torch.get_num_threads(),
        "peak_flops": peak,
        "measured_product_flops": round(product),
    }
    if MISSING:
        print(f"without the peer: {MISSING}")
    report = Report(arguments.results / f"gpu-{'-'.join(arguments.shapes)}.json", head, arguments.minutes)
    with tempfile.TemporaryDirectory() as folder:
        notes = notes_of(arguments, Path(folder))
        measure(
            report, [Bench(name, notes, Path(folder) / name, options) for name in arguments.shapes], seconds
        )
    report.content["whole_s"] = round(time.monotonic() - report.until + 60 * arguments.minutes, 1)
    write_json(report.path, report.content)
    print(table(report.content), flush=True)
    for (shape, name), goal in GOALS.items():
        mfu = report.content["shapes"].get(shape, {}).get(name, {}).get("mfu")
        if mfu is not None:
            text = f"MFU of {name}, Qwen3-VL {shape} shape, random weights; defined in benchmarks/flops.py"
            where = f"{shape}-{name.replace(' ', '-')}-mfu"
            claim(where, text, mfu, command, folder=arguments.results, goal=goal, unit="")


if __name__ == "__main__":
    main()
