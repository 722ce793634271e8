"""Items from inputs of sentence-transformers: texts, pictures, dicts, chat messages, notes.

Nothing is fetched: a picture is a PIL image, an array, bytes, a `Picture`, a `data:` URI or a local file.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from uninote.corpus.base64 import decode_base64
from uninote.corpus.decode import read_picture
from uninote.corpus.formats import SUFFIXES
from uninote.corpus.rgb import to_rgb
from uninote.errors import ItemError, reason_of
from uninote.items import Item, Note, Part, Picture
from uninote.settings import CorpusSettings

ADDRESS = ("http://", "https://")


def to_item(value: Any) -> Item:
    """Read one input of `SentenceTransformer.encode` as an Item.

    The parts of a dict are in the order of its keys, each a value or a list of values; those of a chat
    message are in the order of its blocks. `to_prompted` reads system messages.

    Raises:
        ItemError: nothing is left to embed, or a part is of a kind that is not read.
        PictureError: a picture cannot be read.
    """
    return to_prompted(value)[0]


def to_prompted(value: Any) -> tuple[Item, str]:
    """Read the Item, and the text of its system messages: the instruction."""
    if isinstance(value, Note):
        return value.item(), ""
    if isinstance(value, Item):
        return value, ""
    if isinstance(value, Mapping) and {"role", "content"} <= value.keys():
        value = [value]
    if (
        isinstance(value, list)
        and value
        and all(isinstance(part, Mapping) and "role" in part for part in value)
    ):
        return _conversation(value)
    if isinstance(value, Mapping):
        return Item.of(*(part for kind, parts in value.items() for part in _parts(kind, parts))), ""
    return Item.of(_bare(value)), ""


def _conversation(messages: Sequence[Mapping[str, Any]]) -> tuple[Item, str]:
    system: list[str] = []
    parts: list[Part] = []
    for message in messages:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        read = [part for block in blocks for part in _block(block)]
        if message["role"] == "system":
            system += [part for part in read if isinstance(part, str)]
        else:
            parts += read
    return Item.of(*parts), "\n".join(system)


def _block(block: Mapping[str, Any]) -> Iterable[Part]:
    kind = str(block.get("type", ""))
    if kind == "image_url":  # the form of OpenAI's interface
        url = block.get("image_url")
        return _parts("image", url["url"] if isinstance(url, Mapping) else url)
    return _parts(kind, block.get(kind))


def _parts(kind: Any, values: Any) -> Iterable[Part]:
    several = values if isinstance(values, list | tuple) else [values]
    if kind == "text" and all(isinstance(text, str) for text in several):
        return list(several)
    if kind == "image":
        return [to_picture(value) for value in several]
    raise ItemError(
        f"an item has no part {kind!r} of type {type(values).__name__}: give 'text' and 'image', each a "
        "value or a list; of a video give its frames as images"
    )


def _bare(value: Any) -> Part:
    if isinstance(value, str) and not _is_data_url(value):
        # A text that names an existing picture is that picture, as in sentence-transformers.
        address = value.startswith(ADDRESS) and " " not in value
        if not (value.lower().endswith(tuple(SUFFIXES)) and (address or _is_file(value))):
            return value
    return to_picture(value)


def _is_data_url(text: str) -> bool:
    return text[:11].lower() == "data:image/"


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # too long for a path, or with a zero byte: a text
        return False


def to_picture(value: Any) -> Picture:
    """Read a picture in any of its forms. Raises ItemError for another kind, PictureError for a bad file."""
    if isinstance(value, Picture):
        return value
    if isinstance(value, bytes):
        return read_picture(value, CorpusSettings())
    if isinstance(value, np.ndarray):
        if value.dtype != np.uint8 or value.ndim != 3 or value.shape[2] != 3:
            raise ItemError(
                f"a picture as array is uint8 [height, width, 3], not {value.dtype} {list(value.shape)}"
            )
        value = Image.fromarray(value)
    if isinstance(value, Image.Image):
        return _encoded(value)
    if isinstance(value, str) and _is_data_url(value):
        try:
            data = decode_base64(value)
        except ValueError as error:
            raise ItemError(f"a picture in a data: URL {error}") from error
        return read_picture(data, CorpusSettings())
    if isinstance(value, str) and value.startswith(ADDRESS):
        raise ItemError(
            f"pictures are not fetched: download {value[:80]!r} and pass the file; if the address "
            "itself is the text, pass {'text': address}"
        )
    if isinstance(value, str | Path):
        return read_picture(Path(value), CorpusSettings())
    raise ItemError(
        f"{type(value).__name__} is not a picture: give a PIL image, a uint8 array, encoded bytes, a path or "
        "a uninote Picture"
    )


def _encoded(image: Image.Image) -> Picture:
    """Encode as PNG, which keeps every pixel: the vector is that of the file the image came from."""
    buffer = io.BytesIO()
    try:
        to_rgb(image).save(buffer, "PNG", compress_level=1)
    except Exception as error:  # a lazily opened image is decoded here, which raises errors of any type
        raise ItemError(f"a PIL image cannot be decoded: {reason_of(error)}") from error
    return Picture.from_bytes(buffer.getvalue())
