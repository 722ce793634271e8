"""Edited copies of pictures: smaller and compressed again, so that an OCR engine has to read them again.

I2OCR and OCR2I match a picture with the text that was read in it. A model that reads with the same engine
finds that text, character by character, in the same pixels, but not in those of an edited copy.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from PIL import Image

from uninote.annotate.factory import make_reader
from uninote.annotate.protocol import OcrReader
from uninote.annotate.reading import PictureReader
from uninote.corpus.decode import load_picture
from uninote.errors import MissingExtraError, PictureError
from uninote.evaluation.protocols import Json
from uninote.files import write_atomic
from uninote.items import Item, Picture
from uninote.limits import cores
from uninote.settings import CorpusSettings, Settings

SCALE = 0.8
"""Share of each side that a copy has."""
QUALITY = 60
"""JPEG quality of a copy."""


@dataclass(frozen=True)
class EditedCopies:
    """Edited copies by the digest of their original; a picture that cannot be decoded has none.

    Attributes:
        reader: name of the OCR reader whose lines are the copies' `ocr`; empty if nothing read them.
    """

    pictures: Mapping[str, Picture]
    reader: str = ""

    def of(self, item: Item) -> Item | None:
        """Return the item with copies in place of its pictures, None if there is none of one of them."""
        if any(picture.digest not in self.pictures for picture in item.pictures):
            return None
        return Item(tuple(self.pictures[p.digest] if isinstance(p, Picture) else p for p in item.parts))

    def facts(self) -> Json:
        """Return the report's "edited_copies": their number, the reader, and in how many it found text."""
        return {
            "pictures": len(self.pictures),
            "reader": self.reader,
            "with_text": sum(bool(picture.ocr) for picture in self.pictures.values()),
        }


Reread = Callable[[Sequence[Picture]], EditedCopies]
"""Function that makes and reads the edited copies of pictures."""


def rereading(settings: Settings, folder: Path, progress: bool = False) -> Reread:
    """Return the function that makes copies and reads them as `settings.annotate` says.

    Copies are not read if `annotate.ocr` names no engine, or one that is not installed.

    Args:
        folder: cache of copies and of their OCR lines, e.g. the one that the notes were annotated with.
    """
    try:
        reader = make_reader(settings.annotate)
    except MissingExtraError:
        reader = None
    workers = settings.annotate.workers
    return partial(
        edited_copies,
        reader=reader,
        settings=settings.corpus,
        folder=folder,
        workers=workers,
        progress=progress,
    )


def edited_copies(
    pictures: Sequence[Picture],
    *,
    reader: OcrReader | None,
    settings: CorpusSettings,
    folder: Path,
    workers: int = 0,
    progress: bool = False,
) -> EditedCopies:
    """Make the edited copy of every picture, without its description, and read the text in it.

    A copy's `ocr` is what the reader finds; None without a reader or if it fails. Copies are made by all
    cores and kept in `folder`, as are their OCR lines; `workers` threads read (0: one per core).
    """
    originals = {picture.digest: picture for picture in pictures}
    made = folder / f"copies-{SCALE:g}-{QUALITY}"
    made.mkdir(parents=True, exist_ok=True)

    def copy(picture: Picture) -> Picture | None:
        path = made / f"{picture.digest}.jpg"
        try:
            if not path.is_file():
                data = edited(load_picture(picture, settings), settings.min_picture_side)
                with write_atomic(path, several_writers=True) as unfinished:
                    unfinished.write_bytes(data)
            return replace(Picture.from_path(path), frame=picture.frame, moment=picture.moment)
        except PictureError:
            return None

    with ThreadPoolExecutor(cores()) as pool:
        copies = dict(zip(originals, pool.map(copy, originals.values()), strict=True))
    found = {digest: picture for digest, picture in copies.items() if picture}
    if reader is None or not found:
        return EditedCopies(found)
    lines = PictureReader(reader, settings, folder, workers).read(found.values(), progress)

    def with_lines(picture: Picture) -> Picture:
        read = lines[picture.digest]
        return picture if isinstance(read, PictureError) else replace(picture, ocr=read)

    return EditedCopies({digest: with_lines(picture) for digest, picture in found.items()}, reader.name)


def edited(image: Image.Image, least: int = 1) -> bytes:
    """Return an RGB image as JPEG of `QUALITY`, each side `SCALE` of it but `least` pixels or more."""
    width, height = (max(round(SCALE * side), min(side, least)) for side in image.size)
    buffer = io.BytesIO()
    image.resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
