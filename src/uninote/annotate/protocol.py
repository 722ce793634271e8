"""Annotator protocols: a Describer and an OcrReader map pictures to descriptions or OCR lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from PIL import Image

from uninote.errors import PictureError

DESCRIBE_PROMPT = (
    "Describe this picture in one or two plain sentences: what is shown, how many, which colours, and where "
    "things are. Do not quote text that is written in it."
)


class Describer(Protocol):
    """Annotator that writes `S_desc` (method, section 1).

    `name` is its cache namespace: it must change whenever the descriptions would (model, prompt). A call
    maps n RGB pictures to n non-empty texts. It raises PictureError for a picture it cannot describe (or
    PartialError for some of several), ModelError when no picture can be described.
    """

    @property
    def name(self) -> str: ...

    def __call__(self, images: Sequence[Image.Image]) -> list[str]: ...


class OcrReader(Protocol):
    """Annotator that reads `S_ocr` as lines from top to bottom; `()` if there is no text.

    `name` and errors as for Describer. Several threads call it at once. It is pickled and sent to processes
    of a cluster: keep only parameters in it and load models at the first call.
    """

    @property
    def name(self) -> str: ...

    def __call__(self, images: Sequence[Image.Image]) -> list[tuple[str, ...]]: ...


class PartialError(PictureError):
    """Some pictures of one call failed; `results` holds, in order, each picture's value or its error."""

    def __init__(self, results: Sequence[object]) -> None:
        super().__init__("some pictures of the batch failed")
        self.results = results
