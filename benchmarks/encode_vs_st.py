"""Speed of encoding a corpus against `SentenceTransformer.encode`: same weights, prompts and pictures.

    python benchmarks/encode_vs_st.py --notes path/to/notes.jsonl

A random Qwen3-VL of small shape (`random_qwen.py`) is exported, so that both sides encode the same tokens and
pixels; the vectors are compared before anything is timed. Two corpora, as UniNote encodes them:

* notes: whole notes of 1 to 12 pictures with long bodies, and short texts (titles and descriptions).
* pool: those, and every picture of the notes as an item of its own, as in the tasks. Each picture then
  stands in two items; UniNote keeps vision features (`encoder.remember_pictures`).

UniNote runs by its defaults, sentence-transformers by its default batch size of 32 and at the best of several
sizes, which a trial on the same items chooses. It sorts inputs by length itself, and decodes pictures batch
by batch. Decoding files and tokenising are in the time on both sides.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peer import as_messages, peer_of, peer_version
from random_qwen import SHAPES, build_qwen
from rounds import RESULTS, claim, fastest, median, ratio, take_turns

from uninote import Encoder, Item, Note, SkipReport, load_settings, read_notes
from uninote.encoder.qwen.feature_cache import FeatureCache

DEFAULT = 32
SIZES = (1, 2, 4, 8, DEFAULT)
"""Batch sizes of the peer that are tried."""


def corpora(notes: list[Note]) -> dict[str, list[Item]]:
    texts = [Item.of(note.title) for note in notes if note.title.strip()]
    texts += [
        Item.of(picture.description) for note in notes for picture in note.pictures if picture.description
    ]
    mixed = [*(note.item() for note in notes), *texts]
    return {"notes": mixed, "pool": [*mixed, *(Item.of(p) for note in notes for p in note.pictures)]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--shape", choices=SHAPES, default="mini")
    parser.add_argument("--count", type=int, default=12, help="notes that are encoded")
    parser.add_argument("--pixels", type=int, default=65_536, help="largest area of a picture")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    notes = read_notes(arguments.notes, load_settings().corpus, SkipReport())
    texts = [note.body for note in notes[::4]]
    notes = notes[:: max(1, len(notes) // arguments.count)][: arguments.count]
    notes = [note for note in notes if len(note.pictures) <= 12]
    command = f"python benchmarks/encode_vs_st.py --notes notes.jsonl --shape {arguments.shape}"
    command += f" --count {arguments.count} --rounds {arguments.rounds}"

    with tempfile.TemporaryDirectory() as space:
        base = build_qwen(Path(space) / "base", arguments.shape, texts)
        options: dict[str, Any] = {
            "dims": (SHAPES[arguments.shape].width,),
            "device": "cpu",
            "picture_pixels": arguments.pixels,
            "note_pixels": 12 * arguments.pixels,
            "max_tokens": 8192,
        }
        peer = peer_of(Encoder.pretrained(base, **options), Path(space) / "peer")
        for name, found in corpora(notes).items():
            remembered = len(found) if name == "pool" else 0
            encoder = Encoder.pretrained(base, remember_pictures=remembered, **options)
            backbone: Any = encoder.backbone
            # Past its limit the peer cuts pictures off; ours trims texts. Neither is compared here.
            items = [item for item in found if backbone.cost(item) < options["max_tokens"]]

            def ours(
                encoder: Encoder = encoder, items: list[Item] = items, remembered: int = remembered
            ) -> Any:
                encoder.backbone.feature_cache = FeatureCache(remembered)  # type: ignore[attr-defined]
                return encoder.encode(items)

            def theirs(size: int, items: list[Item] = items) -> Any:
                messages = [as_messages(item) for item in items]
                return peer.encode(messages, batch_size=size, normalize_embeddings=True)

            cosines = (ours() * theirs(1)).sum(1)
            assert cosines.min() > 0.999, f"the two sides differ: cosine {cosines.min()}"
            best, tried = fastest({str(size): partial(theirs, size) for size in SIZES})
            print(
                f"{name}: tried " + ", ".join(f"batch {size} {taken:.2f} s" for size, taken in tried.items())
            )
            sides = {"uninote": ours, "best": partial(theirs, int(best)), "default": partial(theirs, DEFAULT)}
            times = take_turns(sides, arguments.rounds, warm=0)
            costs = np.array([backbone.cost(item) for item in items])
            pictures = [p.digest for item in items for p in item.pictures]
            where = (
                f"{len(items)} items of {costs.min()} to {costs.max()} tokens with {len(pictures)} pictures, "
                f"{len(set(pictures))} of them different; random Qwen3-VL ({arguments.shape}), lowest cosine "
                f"between the sides {cosines.min():.5f}"
            )
            for side, taken in times.items():
                print(f"{name} {side:10} {median(taken):7.2f} s, {len(items) / median(taken):6.1f} items/s")
            how = f"its best batch size, {best} of {', '.join(map(str, SIZES))}"
            for side, end, said, goal in (
                ("best", "", how, 1.2),
                ("default", "-default", f"its default batch size, {DEFAULT}", None),
            ):
                value, interval = ratio(times[side], times["uninote"])
                claim(
                    f"encode-{name}-vs-st{end}",
                    f"Encodes so many times as fast as SentenceTransformer.encode of {peer_version()} at "
                    f"{said}; {where}",
                    value,
                    command,
                    folder=arguments.results,
                    goal=goal,
                    interval=interval,
                )


if __name__ == "__main__":
    main()
