from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from PIL import Image

from uninote.evaluation.suite import Query, TaskSuite
from uninote.items import Item, Note, Picture
from uninote.tasks.definitions import Task

WORDS = ("river", "mountain", "harbour", "bridge", "market", "castle", "forest", "island", "tower", "canal")


def picture_of(seed: int, description: str = "", ocr: tuple[str, ...] | None = None) -> Picture:
    """Make a small PNG of coarse random blocks."""
    blocks = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(blocks).resize((48, 40)).save(buffer, "PNG")
    return Picture.from_bytes(buffer.getvalue(), description=description, ocr=ocr)


def note_of(number: int, pictures: int = 3, **fields: object) -> Note:
    """Make a note with words of its own; it shares only everyday words with other notes."""
    word = WORDS[number % len(WORDS)] + str(number)
    made = tuple(
        picture_of(100 * number + i, f"view {i} of the {word}", (f"sign {word} {i}",))
        for i in range(pictures)
    )
    body = f"This is about {word}. It was seen at {word} in spring."
    return Note(**{"id": f"n{number}", "title": f"The {word}", "body": body, "pictures": made} | fields)


class HashEncoder:
    """Encoder of random unit vectors seeded by the item's key: different items are nearly orthogonal."""

    uses_instructions = False

    def __init__(self, dims: tuple[int, ...] = (16, 64)) -> None:
        self.dims = dims
        self.calls: list[list[str]] = []

    def encode(
        self,
        items: Sequence[Item],
        *,
        task: Task | None = None,
        dim: int | None = None,
        progress: bool = False,
    ) -> np.ndarray:
        self.calls.append([item.key for item in items])
        seeds = [int(hashlib.sha256(item.key.encode()).hexdigest()[:8], 16) for item in items]
        rows = np.stack([np.random.default_rng(seed).standard_normal(self.dims[-1]) for seed in seeds])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class LookupEncoder(HashEncoder):
    """Encoder of text items with a table of vectors."""

    def __init__(self, table: dict[str, Sequence[float]]) -> None:
        super().__init__((len(next(iter(table.values()))),))
        self.table = {Item.of(text).key: vector for text, vector in table.items()}

    def encode(
        self,
        items: Sequence[Item],
        *,
        task: Task | None = None,
        dim: int | None = None,
        progress: bool = False,
    ) -> np.ndarray:
        self.calls.append([item.key for item in items])
        return np.array([self.table[item.key] for item in items], dtype=np.float32)


def text_task(
    relevant: dict[str, dict[str, int]],
    targets: Sequence[str],
    *,
    graded: bool = False,
    excluded: dict[str, Sequence[str]] | None = None,
) -> TaskSuite:
    """Make a task of text items."""
    key = {text: Item.of(text).key for text in targets}
    queries = tuple(
        Query(
            Item.of(text),
            text,
            {key[target]: grade for target, grade in grades.items()},
            frozenset(key[target] for target in (excluded or {}).get(text, ())),
        )
        for text, grades in relevant.items()
    )
    return TaskSuite("T2Note", Task.T2NOTE, queries, tuple(map(Item.of, targets)), graded)


@pytest.fixture(scope="session")
def make_note() -> Callable[..., Note]:
    return note_of


@pytest.fixture(scope="session")
def make_picture() -> Callable[..., Picture]:
    return picture_of


@pytest.fixture
def hash_encoder() -> HashEncoder:
    return HashEncoder()


@pytest.fixture(scope="session")
def lookup_encoder() -> type[LookupEncoder]:
    return LookupEncoder


@pytest.fixture(scope="session")
def make_task() -> Callable[..., TaskSuite]:
    return text_task


@pytest.fixture(scope="session")
def load() -> Callable[[Picture], Image.Image]:
    return lambda picture: Image.open(io.BytesIO(picture.read())).convert("RGB")
