"""Thumbnails for the report, each embedded once however often it is shown."""

from __future__ import annotations

import base64
from collections.abc import Callable
from io import BytesIO

from PIL import Image

from uninote.errors import PictureError
from uninote.items import Picture

SIDE = 144


class Thumbnails:
    """Style sheet of thumbnails: a CSS class per picture, with the image as data URI.

    Args:
        load: decodes a picture to RGB; a PictureError shows as an empty frame.
    """

    def __init__(self, load: Callable[[Picture], Image.Image]) -> None:
        self._load = load
        self._names: dict[str, str] = {}
        self._rules: list[str] = []

    def name(self, picture: Picture) -> str:
        """Return the class that shows the picture; empty when it cannot be decoded."""
        if picture.digest not in self._names:
            self._names[picture.digest] = self._add(picture)
        return self._names[picture.digest]

    @property
    def css(self) -> str:
        return "\n".join(self._rules)

    def _add(self, picture: Picture) -> str:
        try:
            image = self._load(picture).convert("RGB")
        except PictureError:
            return ""
        image.thumbnail((SIDE, SIDE))
        buffer = BytesIO()
        image.save(buffer, "WEBP", quality=70)
        data = base64.b64encode(buffer.getvalue()).decode()
        name = f"thumb-{len(self._rules)}"
        self._rules.append(f".{name}{{background-image:url(data:image/webp;base64,{data})}}")
        return name
