import hashlib
from collections.abc import Callable

import pytest

from uninote.items import Picture


@pytest.fixture(scope="session")
def picture() -> Callable[..., Picture]:
    """A picture with the given name as its bytes."""

    def make(name: str, description: str = "", ocr: tuple[str, ...] | None = None) -> Picture:
        data = name.encode()
        return Picture(hashlib.sha256(data).hexdigest(), None, data, description, ocr)

    return make
