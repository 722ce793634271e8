"""Tower protocols: the interfaces of a frozen text encoder and of a frozen picture encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.float32]


class TextTower(Protocol):
    """Frozen text encoder. A vector does not depend on the other texts of the call.

    Attributes:
        name: namespace of caches; it differs when the vectors do.
        width: dimension of a vector.
        max_tokens: most tokens of a text that are read, without control tokens and the prompt.
    """

    name: str
    width: int
    max_tokens: int

    def count(self, text: str) -> int:
        """Count the tokens of a text, without control tokens and the prompt; the text is not cut."""
        ...

    def encode(self, texts: Sequence[str], progress: bool = False) -> Array:
        """Return unit rows, float32 [n, width]. Texts are cut to `max_tokens`."""
        ...


class VisionTower(Protocol):
    """Frozen picture encoder. A vector does not depend on the other pictures of the call.

    Attributes:
        name: namespace of caches; it differs when the vectors do.
        width: dimension of a vector.
        space: name of the text tower whose space the vectors are in, as CLIP's; None: of no text tower.
    """

    name: str
    width: int
    space: str | None

    def pixels(self, image: Image.Image) -> Array:
        """Return the input of an RGB picture: float32 of one shape for all pictures, usually [3, H, W]."""
        ...

    def encode(self, pixels: Array) -> Array:
        """Return float32 [n, width] of stacked inputs [n, 3, H, W]. In a shared space rows have length 1."""
        ...
