"""Notes, pictures and items: immutable values, hashable by content, without torch.

The tasks cut a note `N = ({I_i}, {OCR_i}, T_title, T_body)` (method, section 1) into items. An item is an
ordered list of parts: texts (`str`), pictures (`Picture`) and texts read in pictures (`Ocr`). `compose` is
the only rule of which parts an item has for given texts and pictures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

from uninote.errors import ItemError, PictureError, UniNoteError, item_error, reason_of

RENDERING = 1
"""Version of the rule by which content becomes an item and an item becomes the input of a model.

Models, embeddings and indexes store it. Raise it with every change of `compose`, or of the way a backbone
writes an item, that changes the inputs of saved models: old and new vectors could not be compared.
"""
VIDEO_FRAMES = 256
"""Most frames of a video sampled by rate that count as one picture."""


class Moment(NamedTuple):
    """Time of a frame in a video that was sampled by rate.

    Attributes:
        time: seconds from the first frame of the video to this one.
        step: seconds of the video for each sampled frame, the reciprocal of the sampling rate.
    """

    time: float
    step: float


@dataclass(frozen=True)
class Picture:
    """Encoded picture bytes by reference, with their annotations: a description and the text read by OCR.

    Equality and hash use the content (`digest`, sha256 of the encoded bytes) and the annotations, never the
    location. As a part of an Item a picture is its pixels only: its OCR text is a part of its own (`Ocr`),
    and its description is not embedded with it.

    Attributes:
        digest: sha256 hex of the encoded bytes.
        path: file that holds the bytes, or None when `data` does.
        data: the encoded bytes, or None when `path` does.
        description: `S_desc`, empty when not annotated.
        ocr: `S_ocr` as lines; None means "not read yet", `()` means "read, no text found".
        frame: whether it was cut from a video; some backbones mark such pictures in the model's input.
        moment: of a frame of a video that was sampled by rate. Frames of one video stand together in order.
    """

    digest: str
    path: Path | None = field(default=None, compare=False)
    data: bytes | None = field(default=None, compare=False, repr=False)
    description: str = ""
    ocr: tuple[str, ...] | None = None
    frame: bool = False
    moment: Moment | None = None

    @classmethod
    def from_bytes(
        cls,
        data: bytes,
        *,
        description: str = "",
        ocr: tuple[str, ...] | None = None,
        frame: bool = False,
        moment: Moment | None = None,
    ) -> Picture:
        return cls(hashlib.sha256(data).hexdigest(), None, data, description, ocr, frame, moment)

    @classmethod
    def from_path(
        cls, path: str | Path, *, description: str = "", ocr: tuple[str, ...] | None = None
    ) -> Picture:
        """Return the picture of a file. Raises PictureError when the file cannot be read."""
        path = Path(path)
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            reason = reason_of(error)
            raise PictureError(f"picture {path} cannot be read: {reason}") from error
        return cls(digest, path, None, description, ocr)

    def read(self) -> bytes:
        """Return the encoded bytes. Raises PictureError when the file cannot be read."""
        if self.data is not None:
            return self.data
        try:
            return self.path.read_bytes() if self.path else b""
        except OSError as error:
            reason = reason_of(error)
            raise PictureError(f"picture {self.path} cannot be read: {reason}") from error

    @property
    def ocr_text(self) -> str:
        """The OCR lines joined by newlines; empty when there are none."""
        return "\n".join(self.ocr or ())


def same_video(before: Picture, after: Picture) -> bool:
    """Return whether `after` is a later frame of the video of `before`, which was sampled by rate."""
    one, other = before.moment, after.moment
    return one is not None and other is not None and one.step == other.step and one.time < other.time


def joined(pictures: Iterable[Picture]) -> list[tuple[Picture, ...]]:
    """Group pictures: up to `VIDEO_FRAMES` frames of a video that was sampled by rate, or one picture."""
    groups: list[list[Picture]] = []
    for picture in pictures:
        if groups and len(groups[-1]) < VIDEO_FRAMES and same_video(groups[-1][-1], picture):
            groups[-1].append(picture)
        else:
            groups.append([picture])
    return [tuple(group) for group in groups]


def standing(pictures: Sequence[Picture]) -> list[int]:
    """Return the places of the pictures that stand for themselves; of such a video its middle frame does."""
    places: list[int] = []
    first = 0
    for group in joined(pictures):
        places.append(first + len(group) // 2)
        first += len(group)
    return places


class Ocr(str):
    """Text read in a picture by OCR, as a part of an item.

    Keys and comparisons treat it as a plain text; a model may weigh it by its kind. Only its type and `of`
    say where it comes from.

    Attributes:
        of: digest of the picture; it counts neither for `Item.key` nor for equality.
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
    """Ordered parts (texts, pictures, texts read in pictures) that the encoder maps to one vector.

    `Item.of(picture)` is the pixels alone; `compose` adds the OCR text of each picture.
    """

    parts: tuple[Part, ...]

    @classmethod
    def of(cls, *parts: Part) -> Item:
        """Return an item of the given parts without blank texts. Raises ItemError when no part is left."""
        kept = tuple(part for part in parts if isinstance(part, Picture) or part.strip())
        if not kept:
            raise ItemError("an item needs at least one picture or one non-blank text")
        return cls(kept)

    @cached_property
    def key(self) -> str:
        """sha256 hex over texts, picture digests and moments; equal for equal content, whatever the
        annotations."""
        digest = hashlib.sha256()
        for part in self.parts:
            if isinstance(part, str):
                kind, content = "t", part
            elif part.moment is not None:
                kind, content = "v", f"{part.digest} {part.moment.time!r} {part.moment.step!r}"
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

    @property
    def unread(self) -> tuple[Picture, ...]:
        """The pictures whose text is not given, neither as an `Ocr` part nor as their `ocr`."""
        given = {part.of for part in self.parts if isinstance(part, Ocr)}
        return tuple(one for one in self.pictures if one.ocr is None and one.digest not in given)


def compose(
    texts: Iterable[str], pictures: Iterable[Picture], shown: Callable[[Picture], Part] | None = None
) -> Item:
    """Return the item of texts and pictures: the texts, then each picture followed by the text read in it.

    `shown` returns the part that represents a picture, by default the picture itself. Raises ItemError when
    every text is blank and there is no picture.
    """
    parts: list[Part] = [*texts]
    for picture in pictures:
        parts += [shown(picture) if shown else picture, Ocr(picture.ocr_text, picture.digest)]
    return Item.of(*parts)


def with_readings(item: Item, lines: Callable[[Picture], Sequence[str] | None]) -> Item:
    """Return the item with every picture followed by the text read in it, as `compose` writes it.

    A picture whose text is in the item already, as an `Ocr` part of its digest, is left as it is. The lines
    of any other picture are its `ocr`; if that is None, `lines` is asked. None from `lines` leaves the
    picture unread; `()` means that nothing is written in it. A picture that was read has its `ocr` set, so a
    second call changes nothing.
    """
    given = {part.of for part in item.parts if isinstance(part, Ocr)}
    parts: list[Part] = []
    for part in item.parts:
        parts.append(part)
        if isinstance(part, Picture) and part.digest not in given:
            read = lines(part) if part.ocr is None else part.ocr
            if read is not None:
                picture = part if part.ocr is not None else replace(part, ocr=tuple(read))
                parts[-1:] = [picture, Ocr(picture.ocr_text, picture.digest)]
    return Item.of(*parts)


def with_lines(
    items: Iterable[Item], lines: Mapping[str, Sequence[str] | UniNoteError | None]
) -> list[Item | ItemError]:
    """Return each item with its readings (`with_readings`), or the error of the first picture that has one.

    lines: of pictures whose text is not given, or the errors in their place, by digest.
    """

    def given_or_read(item: Item) -> Item | ItemError:
        for picture in item.pictures:
            error = lines.get(picture.digest)
            if isinstance(error, UniNoteError):
                return error if isinstance(error, ItemError) else item_error(error)
        return with_readings(item, read)

    def read(picture: Picture) -> Sequence[str] | None:
        found = lines.get(picture.digest)
        return None if isinstance(found, UniNoteError) else found

    return [given_or_read(item) for item in items]


def require_rendering(stored: Mapping[str, Any], what: str, fix: str, error: type[UniNoteError]) -> None:
    """Raise `error` with `what` and `fix` in its message, unless `stored` has the current `RENDERING`.

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
    """One post: title, body and pictures, with the fields that filter, balance, split and link notes."""

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
