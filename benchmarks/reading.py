"""Speed of reading texts in pictures: with text, without, and long ones; its share of embedding a note.

    python benchmarks/reading.py --notes path/to/notes.jsonl

Pictures are drawn from the notes with a fixed seed; the `ocr` that the notes bring says which hold text. In
those without, only the detector runs. A long picture is made of pictures with text, one below the other, up
to six times its width. It is read in tiles; the lines found are compared with those of its pictures alone.
Decoding is in the time, which is processor time of one thread. The share of a note is measured with an
untrained compact model, which takes the time of a trained one, and empty caches.
"""

from __future__ import annotations

import argparse
import io
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image
from rounds import RESULTS

from uninote import SkipReport, load_settings, read_notes
from uninote.annotate.factory import make_picture_reader
from uninote.annotate.ocr_rapid import RapidOcrReader
from uninote.corpus.decode import load_picture
from uninote.encoder import Encoder
from uninote.evaluation.results import write_result
from uninote.items import Item, Note, Picture
from uninote.settings import AnnotateSettings, CorpusSettings, EncoderSettings

LONG = 6  # height by width
NOTES = 51  # of which one loads the models


def stacked(pictures: Sequence[Picture]) -> tuple[list[Picture], list[Picture]]:
    """Return long pictures, each of as many of the given ones as it takes, and the given ones in them."""
    found: list[Picture] = []
    used = 0
    images: list[Image.Image] = []
    for number, picture in enumerate(pictures, 1):
        images.append(Image.open(io.BytesIO(picture.read())).convert("RGB"))
        width, height = max(one.width for one in images), sum(one.height for one in images)
        if height >= LONG * width:
            whole, top = Image.new("RGB", (width, height), "white"), 0
            for image in images:
                whole.paste(image, (0, top))
                top += image.height
            out = io.BytesIO()
            whole.save(out, "PNG")
            found.append(Picture.from_bytes(out.getvalue()))
            images, used = [], number
    return found, list(pictures[:used])


def rate(pictures: Sequence[Picture], corpus: CorpusSettings) -> tuple[float, int]:
    """Return the pictures read in a second of one core, and the lines found."""
    reader = make_picture_reader(corpus, settings=AnnotateSettings(workers=1))
    reader.read([Picture.from_bytes(pictures[0].read() + b"\0")])  # loads the engine
    start = time.process_time()
    found = reader.read(pictures)
    seconds = time.process_time() - start
    lines = [one for one in found.values() if isinstance(one, tuple)]
    assert len(lines) == len(pictures), "a picture could not be read"
    return len(pictures) / seconds, sum(map(len, lines))


def detector_share(pictures: Sequence[Picture], corpus: CorpusSettings) -> float:
    """Return the share of finding the lines in the time of reading, decoding aside, in percent."""
    reader = RapidOcrReader()
    images = [load_picture(picture, corpus) for picture in pictures]
    reader(images[:2])  # loads both models
    start = time.process_time()
    for image in images:
        reader._crops(reader._engine, image)
    found = time.process_time()
    reader(images)
    return 100 * (found - start) / (time.process_time() - found)


def reading_share(notes: Sequence[Note]) -> float:
    """Return the share of reading in the time of embedding unread notes, in percent."""
    unread = [
        note.with_pictures(tuple(replace(one, ocr=None) for one in note.pictures)).item() for note in notes
    ]
    encoder = Encoder.compact(EncoderSettings(device="cpu", read="all"))
    encoder.encode(unread[:1])  # loads towers and engine
    start = time.process_time()
    read = [item for item in encoder.read(unread[1:]) if isinstance(item, Item)]
    middle = time.process_time()
    encoder.encode(read)
    return 100 * (middle - start) / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--count", type=int, default=100, help="pictures of each kind")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    corpus = load_settings().corpus
    notes = list(read_notes(arguments.notes, corpus, SkipReport()))
    pictures = {one.digest: one for note in notes for one in note.pictures}
    drawn = [pictures[digest] for digest in sorted(pictures)]
    random.Random(0).shuffle(drawn)
    written = [one for one in drawn if one.ocr][: arguments.count]
    long, inside = stacked(written)
    kinds = {
        "with-text": ("with text", written),
        "without-text": ("without text", [one for one in drawn if one.ocr == ()][: arguments.count]),
        "long": (f"{LONG} times as high as wide, with text", long),
    }
    for name, (what, chosen) in kinds.items():
        value, lines = rate(chosen, corpus)
        alone = f", {rate(inside, corpus)[1]} in its {len(inside)} pictures alone" if chosen is long else ""
        claim = f"Pictures {what} read in a second of one core; {len(chosen)} pictures, {lines} lines{alone}"
        print(f"{value:6.2f} {claim}")
        write_result(
            arguments.results,
            f"reading-{name}",
            claim,
            value,
            unit="pictures/s",
            command=f"python benchmarks/reading.py --notes notes.jsonl --count {arguments.count}",
        )
    shares = {
        "detector": (detector_share(written, corpus), "Finding the lines, of reading pictures with text"),
        "of-a-note": (
            reading_share(random.Random(0).sample(notes, NOTES)),
            f"Reading, of embedding {NOTES - 1} notes whose pictures are unread, by the compact model",
        ),
    }
    for name, (value, claim) in shares.items():
        print(f"{value:6.1f} % {claim}")
        write_result(
            arguments.results,
            f"reading-share-{name}",
            claim,
            value,
            unit="%",
            command=f"python benchmarks/reading.py --notes notes.jsonl --count {arguments.count}",
        )


if __name__ == "__main__":
    main()
