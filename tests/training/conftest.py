"""One compact model, copied for every training, and a small world of coloured shapes."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable

import pytest
import torch
from PIL import Image, ImageDraw

from uninote.encoder import Encoder
from uninote.items import Note, Picture
from uninote.settings import EncoderSettings

SETTINGS = EncoderSettings(vision_side=64, max_tokens=256, device="cpu")
COLOURS = ("red", "green", "blue", "yellow", "purple", "black")
SHAPES = ("circle", "square", "triangle")


def draw(colour: str, shape: str, shift: int) -> bytes:
    image = Image.new("RGB", (64, 64), "white")
    pen = ImageDraw.Draw(image)
    x, y = 8 + shift % 5 * 3, 8 + shift % 3 * 4
    box = (x, y, x + 38, y + 38)
    if shape == "circle":
        pen.ellipse(box, colour)
    elif shape == "square":
        pen.rectangle(box, colour)
    else:
        pen.polygon([(x, y + 38), (x + 38, y + 38), (x + 19, y)], colour)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def untrained() -> Encoder:
    return Encoder.compact(SETTINGS)


@pytest.fixture
def fresh(untrained: Encoder) -> Callable[[], Encoder]:
    """Copies of one and the same starting model."""
    return lambda: Encoder(copy.deepcopy(untrained.backbone), untrained.settings)


@pytest.fixture(scope="session")
def shape_picture() -> Callable[[str, str, int], Picture]:
    """A drawn shape, moved by `shift`, with its description."""
    return lambda colour, shape, shift: Picture.from_bytes(
        draw(colour, shape, shift), description=f"a {colour} {shape}", ocr=()
    )


@pytest.fixture(scope="session")
def notes(shape_picture: Callable[[str, str, int], Picture]) -> list[Note]:
    """Eight notes of two pictures each, all pictures different."""
    made = []
    for n in range(8):
        colour, shape = COLOURS[n % 6], SHAPES[n % 3]
        other = SHAPES[(n + 1) % 3]
        pictures = (shape_picture(colour, shape, n), shape_picture(colour, other, n + 1))
        made.append(Note(f"n{n}", f"My {colour} {shape}", f"I like {colour}. I drew a {other}.", pictures))
    return made


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Sums in one order: resumed runs are compared bit by bit."""
    torch.set_num_threads(1)
