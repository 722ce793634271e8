"""Items whose vectors have NaN or no direction: they fail by name, alone."""

from __future__ import annotations

import numpy as np
import pytest
from tests.encoder.wide_backbone import WideSettings

from uninote.encoder import Encoder
from uninote.encoder.bad_rows import bad_rows
from uninote.errors import ItemError
from uninote.items import Item

GOOD = [Item.of("red car"), Item.of("rain"), Item.of("an old house")]
BAD = Item.of("a nan here")


@pytest.fixture
def encoder() -> Encoder:
    return Encoder.build(WideSettings(width=512, device="cpu", remember=9))


def test_reasons() -> None:
    found = bad_rows(np.array([[1, 0], [0, np.nan], [np.inf, 1], [0, 0]], np.float32))
    assert sorted(found) == [1, 2, 3]
    assert "NaN" in str(found[1])
    assert "zero" in str(found[3])
    assert bad_rows(np.zeros((0, 4), np.float32)) == {}


def test_nan_of_one_item_fails_it_alone_though_it_spreads_in_its_batch(encoder: Encoder) -> None:
    items = [GOOD[0], BAD, GOOD[1], BAD, GOOD[2]]
    failures: dict[int, ItemError] = {}
    rows = encoder.encode(items, failures=failures)
    assert sorted(failures) == [1, 3]
    assert np.isnan(rows[[1, 3]]).all()
    np.testing.assert_array_equal(rows[[0, 2, 4]], encoder.encode(GOOD))
    assert len(encoder.memory._vectors) == 3  # a bad vector is not remembered


@pytest.mark.parametrize("dim", [None, 64])
@pytest.mark.parametrize("text", ["zero", "a nan here"])
def test_without_failures_the_item_is_named(encoder: Encoder, text: str, dim: int | None) -> None:
    with pytest.raises(ItemError, match=rf"^item 2 \({text}\): its vector has .*leave the item out"):
        encoder.encode([*GOOD[:2], Item.of(text)], dim=dim)


def test_a_prefix_without_direction_fails_only_where_it_is_asked_for(encoder: Encoder) -> None:
    items = [GOOD[0], Item.of("tail")]
    assert np.isfinite(encoder.encode(items)).all()
    with pytest.raises(ItemError, match=r"item 1 \(tail\): its vector has no direction"):
        encoder.encode(items, dim=64)
