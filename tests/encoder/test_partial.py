"""Items with bad pictures are embedded by their other parts, and the reason is kept."""

from __future__ import annotations

import numpy as np
from tests.encoder.compact.small_towers import small_encoder
from tests.evaluation.conftest import picture_of

from uninote.encoder.partial import encode_partly
from uninote.errors import ItemError, PartError
from uninote.items import Item, Picture


def test_bad_pictures_cost_themselves_only() -> None:
    encoder = small_encoder()
    good, bad = picture_of(1), Picture.from_bytes(b"no picture")
    items = [
        Item.of("a title", good, bad),
        Item.of("whole", good),
        Item.of(bad),
        Item.of("a title", bad, bad, "a body"),
    ]
    failures: dict[int, ItemError] = {}
    rows = encode_partly(encoder.encode, items, failures)
    expected = encoder.encode([Item.of("a title", good), items[1], Item.of("a title", "a body")])
    np.testing.assert_allclose(rows[[0, 1, 3]], expected, atol=1e-6)
    assert np.isnan(rows[2]).all()
    kinds = {number: type(error) for number, error in failures.items()}
    assert kinds == {0: PartError, 2: ItemError, 3: PartError}
    assert all("known format" in str(error) for error in failures.values())
