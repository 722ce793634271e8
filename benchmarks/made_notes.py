"""Made notes for benchmarks of speed: pictures of random colours and bodies of random words."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

from PIL import Image

from uninote import Note, Picture

WORDS = ("harbour", "lantern", "violet", "market", "thunder", "paper", "orchard", "signal", "copper", "rain")


def made_notes(folder: Path, count: int) -> list[Note]:
    """Make notes with 1 to 12 pictures of about 400 x 300 pixels and 5 to 700 words."""
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
