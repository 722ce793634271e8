import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from uninote.items import Item, Picture

Floats = npt.NDArray[np.float32]


class HashReference:
    """Reference encoder of random unit vectors by content, which records the encoded items."""

    def __init__(self, dim: int = 8) -> None:
        self.dim = dim
        self.encoded: list[Item] = []

    def encode(self, items: Sequence[Item]) -> Floats:
        self.encoded += items
        seeds = (int.from_bytes(bytes.fromhex(item.key)[:8]) for item in items)
        vectors = np.stack([np.random.default_rng(seed).standard_normal(self.dim) for seed in seeds])
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


class TableReference:
    """Reference encoder with given vectors for texts."""

    def __init__(self, table: dict[str, Sequence[float]]) -> None:
        self.table = table

    def encode(self, items: Sequence[Item]) -> Floats:
        return np.array([self.table[item.texts[0]] for item in items], dtype=np.float32)


@pytest.fixture
def reference() -> HashReference:
    return HashReference()


@pytest.fixture(scope="session")
def table_reference() -> Callable[[dict[str, Sequence[float]]], TableReference]:
    return TableReference


@pytest.fixture(scope="session")
def picture() -> Callable[..., Picture]:
    def make(name: str, description: str = "", ocr: tuple[str, ...] | None = None) -> Picture:
        data = name.encode()
        return Picture(hashlib.sha256(data).hexdigest(), None, data, description, ocr)

    return make
