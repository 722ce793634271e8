"""Principal axes: whole vectors score as before, prefixes keep the most, training does not see them."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from uninote.encoder.cached_towers import on_cached_towers

from uninote.encoder import Encoder
from uninote.encoder.axes import fit_axes, principal_axes, reset_axes
from uninote.encoder.memory import Memory
from uninote.items import Item, Picture

COLOURS = ("red", "green", "blue", "black", "white", "yellow", "pink", "grey", "brown", "golden")
THINGS = ("house", "river", "teacher", "engine", "violin", "harbour", "lesson", "storm", "recipe", "market")


@pytest.fixture
def encoder(untrained: Encoder) -> Encoder:
    return Encoder(copy.deepcopy(untrained.backbone), untrained.settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def items(make_picture: Callable[..., Picture]) -> list[Item]:
    texts = [f"{colour} {thing}" for colour in COLOURS for thing in THINGS]
    return [Item.of(text) for text in texts] + [Item.of(texts[n], make_picture(n)) for n in range(20)]


def test_axes_of_a_drawn_out_cloud() -> None:
    """Compare with axes worked by hand: rows lie along (3, 4) / 5 and, a little, across it."""
    rows = torch.tensor([[3.0, 4.0], [-3.0, -4.0], [0.4, -0.3]])
    axes = principal_axes(rows)
    torch.testing.assert_close(axes.T @ axes, torch.eye(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(axes[:, 0].abs(), torch.tensor([0.6, 0.8]))
    torch.testing.assert_close((rows @ axes)[:, 0].abs(), torch.tensor([5.0, 5.0, 0.0]), atol=1e-6, rtol=0)


def test_no_other_turn_keeps_more_in_a_prefix() -> None:
    torch.manual_seed(0)
    rows = torch.randn(40, 12) * torch.linspace(0.1, 2, 12)
    kept = (rows @ principal_axes(rows))[:, :4].norm()
    for _ in range(50):
        turn, _ = torch.linalg.qr(torch.randn(12, 12))
        assert (rows @ turn)[:, :4].norm() < kept


def test_whole_vectors_score_as_before(encoder: Encoder, items: list[Item]) -> None:
    encoder.memory = Memory(1_000)  # whose vectors are of before
    before = encoder.encode(items)
    fit_axes(encoder, items)
    after = encoder.encode(items)
    assert np.abs(before - after).max() > 0.1
    np.testing.assert_allclose(after @ after.T, before @ before.T, atol=2e-6)
    errors = [
        np.abs(vectors[:, :64] @ vectors[:, :64].T - before @ before.T).mean() for vectors in (before, after)
    ]
    assert errors[1] < errors[0] / 2
    cached = on_cached_towers(encoder, items)
    np.testing.assert_allclose(cached.encode(items), after, atol=1e-5)
    reset_axes(encoder)
    np.testing.assert_allclose(encoder.encode(items), before, atol=1e-6)


def test_dimensions_beyond_the_widest_trained_stay(encoder: Encoder, items: list[Item]) -> None:
    encoder.dims = (64, 128)
    before = encoder.encode(items)
    fit_axes(encoder, items)
    after = encoder.encode(items)
    np.testing.assert_allclose(after @ after.T, before @ before.T, atol=2e-6)
    axes = encoder.backbone.connector.axes  # type: ignore[attr-defined]
    assert torch.equal(axes[128:, 128:], torch.eye(len(axes) - 128))
    assert not axes[:128, 128:].any()


def test_training_mode_and_the_setting(encoder: Encoder, items: list[Item]) -> None:
    backbone = encoder.backbone
    assert isinstance(backbone, torch.nn.Module)
    inputs = encoder.backbone.prepare(items[:3])
    with torch.no_grad():
        backbone.train()
        before = backbone(**inputs)
        fit_axes(encoder, items)
        backbone.train()
        assert torch.equal(backbone(**inputs), before)
    encoder.settings = encoder.settings.model_copy(update={"principal_axes": False})
    fit_axes(encoder, items)
    assert torch.equal(backbone.connector.axes, torch.eye(384))  # type: ignore[union-attr, arg-type]
