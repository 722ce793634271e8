"""Note, Picture and Item: what is embedded. Plain, immutable, hashable by content, no torch.

A note `N = ({I_i}, {OCR_i}, T_title, T_body)` (method, section 1) is cut into Items by the tasks; an Item is
an ordered list of parts, each a text, a picture or the text read in a picture, and becomes one vector.
`compose` alone says which parts an item of texts and pictures has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from uninote.errors import ItemError, PictureError, UniNoteError

RENDERING = 1
"""Number of the rule by which content becomes an item and an item becomes the input of a model.

Models, embeddings and indexes store it. Raise it with every change of `compose`, or of how a backbone writes
an item, that changes inputs of saved models: their vectors and the new ones would not fit together.
"""


@dataclass(frozen=True)
class Picture:
    """Encoded picture bytes by reference, with what an annotator and an OCR engine read from them.

    Equality and hash are by content (`digest`, sha256 of the encoded bytes) and annotations, never by
    location. As a part of an Item only the pixels count: annotations are never embedded with it.

    Attributes:
        digest: sha256 hex of the encoded bytes.
        path: file that holds the bytes, or None when `data` does.
        data: the encoded bytes, or None when `path` does.
        description: `S_desc`, empty when not annotated.
        ocr: `S_ocr` as lines; None means "not read yet", `()` means "read, no text found".
        frame: whether it was cut from a video, which some backbones tell the model.
    """

    digest: str
    path: Path | None = field(default=None, compare=False)
    data: bytes | None = field(default=None, compare=False, repr=False)
    description: str = ""
    ocr: tuple[str, ...] | None = None
    frame: bool = False

    @classmethod
    def from_bytes(
        cls, data: bytes, *, description: str = "", ocr: tuple[str, ...] | None = None, frame: bool = False
    ) -> Picture:
        return cls(hashlib.sha256(data).hexdigest(), None, data, description, ocr, frame)

    @classmethod
    def from_path(
        cls, path: str | Path, *, description: str = "", ocr: tuple[str, ...] | None = None
    ) -> Picture:
        """Raises PictureError when the file cannot be read."""
        path = Path(path)
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise PictureError(f"picture {path} cannot be read: {reason}") from error
        return cls(digest, path, None, description, ocr)

    def read(self) -> bytes:
        """The encoded bytes. Raises PictureError when the file is gone."""
        if self.data is not None:
            return self.data
        try:
            return self.path.read_bytes() if self.path else b""
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise PictureError(f"picture {self.path} cannot be read: {reason}") from error

    @property
    def ocr_text(self) -> str:
        """The OCR lines joined by newlines; empty when there are none."""
        return "\n".join(self.ocr or ())


class Ocr(str):
    """The text read in a picture, as a part of an item.

    To models, keys and comparisons it is a plain text like any other. Only its kind says where it is from.

    Attributes:
        of: digest of the picture. It is no content, just as a picture's annotations are none.
    """

    __slots__ = ("of",)

    of: str

    def __new__(cls, text: str, of: str) -> Self:
        made = super().__new__(cls, text)
        made.of = of
        return made

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        return str(self), self.of


Part = str | Ocr | Picture


@dataclass(frozen=True)
class Item:
    """An ordered list of parts; what the encoder maps to one vector.

    A picture alone is its pixels: `Item.of(picture)` leaves its OCR text out, which `compose` puts in.
    """

    parts: tuple[Part, ...]

    @classmethod
    def of(cls, *parts: Part) -> Item:
        """An item of the given parts, blank texts dropped. Raises ItemError when nothing is left."""
        kept = tuple(part for part in parts if isinstance(part, Picture) or part.strip())
        if not kept:
            raise ItemError("an item needs at least one picture or one non-blank text")
        return cls(kept)

    @cached_property
    def key(self) -> str:
        """sha256 hex over texts and picture digests: equal keys are equal content, annotations apart."""
        digest = hashlib.sha256()
        for part in self.parts:
            if isinstance(part, str):
                kind, content = "t", part
            else:
                kind, content = "f" if part.frame else "p", part.digest
            encoded = content.encode("utf-8", "surrogatepass")
            digest.update(f"{kind}{len(encoded)}:".encode() + encoded)
        return digest.hexdigest()

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts in order, those read in pictures included."""
        return tuple(part for part in self.parts if isinstance(part, str))

    @property
    def pictures(self) -> tuple[Picture, ...]:
        return tuple(part for part in self.parts if isinstance(part, Picture))


def compose(
    texts: Iterable[str], pictures: Iterable[Picture], shown: Callable[[Picture], Part] | None = None
) -> Item:
    """Return the item of texts and pictures: the texts, then each picture followed by the text read in it.

    `shown` gives what stands in a picture's place, by default the picture itself. Raises ItemError when every
    text is blank and there is no picture.
    """
    parts: list[Part] = [*texts]
    for picture in pictures:
        parts += [shown(picture) if shown else picture, Ocr(picture.ocr_text, picture.digest)]
    return Item.of(*parts)


def require_rendering(stored: Mapping[str, Any], what: str, fix: str, error: type[UniNoteError]) -> None:
    """Raise `error`, which names `what` and how to `fix` it, unless `stored` has the `RENDERING` of today.

    stored: content of the JSON file of a model, embeddings or an index; without a number it counts as 1.
    """
    number = stored.get("rendering", 1)
    if number != RENDERING:
        raise error(
            f"{what} has rendering {number} of items, this release has rendering {RENDERING}: "
            f"{fix}, or use the release that made it"
        )


@dataclass(frozen=True)
class Note:
    """One post: title, body and pictures, with what is needed to filter, balance, split and link it."""

    id: str
    title: str = ""
    body: str = ""
    pictures: tuple[Picture, ...] = ()
    category: str = ""
    tags: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    lang: str = ""
    likes: int | None = None
    source: str = ""

    def item(self) -> Item:
        """Return the whole note as one item: title and body, then its pictures (see `compose`)."""
        return compose((self.title, self.body), self.pictures)

    def with_pictures(self, pictures: tuple[Picture, ...]) -> Note:
        return replace(self, pictures=pictures)
