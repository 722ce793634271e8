"""Aggregator: pooling against numbers worked by hand, start values, padding, what trains when."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch.nn.functional import normalize

from uninote.encoder.compact.aggregator import WHITENING, Aggregator, reducing_axes, weighted
from uninote.encoder.compact.settings import Pooling

POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
TEXTS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
PICTURES = torch.tensor([[1.0, 2.0, 3.0], [3.0, 0.0, 1.0]])
KIND = torch.tensor([0, 1, 0, 2, 2])
ROW = torch.tensor([0, 1, 2, 3, 4])
LENGTHS = torch.tensor([2, 3])
INPUTS = (KIND, ROW, LENGTHS, TEXTS, PICTURES)


def aggregator(pooling: Pooling, **options: int) -> Aggregator:
    torch.manual_seed(0)
    return Aggregator([2], 3, pooling, **options).eval()


def test_weighted_sums_by_hand() -> None:
    elements = torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 4.0]])
    logits = torch.tensor([0.0, torch.log(torch.tensor(3.0)), 500.0])
    found = weighted(elements, logits, torch.tensor([0, 0, 1]), torch.tensor([2, 1]))
    assert torch.allclose(found, torch.tensor([[0.25, 0.75], [3.0, 4.0]]))


@pytest.mark.parametrize("pooling", POOLINGS)
@torch.no_grad()
def test_an_untrained_model_is_the_mean_of_its_elements(pooling: Pooling) -> None:
    found = aggregator(pooling)(*INPUTS)[:1]
    mean = torch.tensor([[2**-0.5, 2**-0.5]])
    if pooling == "both":  # both halves are the mean: one number of each in turn
        assert torch.allclose(found, mean.repeat_interleave(2, 1) * 2**-0.5)
    else:
        assert torch.allclose(found, mean)


@torch.no_grad()
def test_weights_by_kind() -> None:
    """Check that a text weighs e times as much as a text read in a picture: (e, 1) / |(e, 1)|."""
    model = aggregator("kinds")
    model.kinds.copy_(torch.tensor([1.0, 0.0, 0.0]))
    expected = normalize(torch.tensor([[torch.e, 1.0]]), dim=-1)
    assert torch.allclose(model(*INPUTS)[:1], expected)


@torch.no_grad()
def test_the_gate_weighs_elements_by_themselves_and_their_mean() -> None:
    model = aggregator("gate")
    first, last = model.gate[0], model.gate[2]
    first.weight.zero_()
    first.bias.zero_()
    first.weight[0, 0] = 1.0  # hidden unit 0: the element's first number
    last.weight[0, 0] = 2.0
    gelu = torch.nn.functional.gelu(torch.tensor([1.0, 0.0]))
    weights = (2 * gelu).softmax(0)
    expected = normalize(weights, dim=0)[None]  # elements (1, 0) and (0, 1)
    assert torch.allclose(model(*INPUTS)[:1], expected)


@torch.no_grad()
def test_the_cosine_of_both_is_a_weighted_mean_of_two_cosines() -> None:
    torch.manual_seed(1)
    model = aggregator("both")
    model.halves.copy_(torch.tensor([0.3, -0.2]))
    model.kinds.copy_(torch.tensor([0.5, -0.5, 0.1]))
    model.parts.weight.copy_(torch.randn(2, 2))
    vectors = model(*INPUTS)
    whole, parts = (normalize(vectors[:, n::2], dim=-1) for n in (0, 1))
    share = model.halves.softmax(0)
    expected = share[0] * whole[0] @ whole[1] + share[1] * parts[0] @ parts[1]
    assert torch.isclose(vectors[0] @ vectors[1], expected)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(2))
    kinds = aggregator("kinds")
    kinds.load_state_dict(model.state_dict() | {"axes": torch.eye(2)}, strict=False)
    assert torch.allclose(kinds(*INPUTS), whole)


@pytest.mark.parametrize("pooling", POOLINGS)
@torch.no_grad()
def test_items_do_not_see_each_other(pooling: Pooling) -> None:
    torch.manual_seed(2)
    model = aggregator(pooling)
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.1)
    first = model(KIND[:2], ROW[:2], LENGTHS[:1], TEXTS, PICTURES)
    second = model(KIND[2:], ROW[2:], LENGTHS[1:], TEXTS, PICTURES)
    assert torch.allclose(model(*INPUTS), torch.cat([first, second]), atol=1e-6)


def test_rows_of_several_towers_are_centred_and_weigh_alike() -> None:
    model = Aggregator([2, 1], 3, "mean").eval()
    model.centre.copy_(torch.tensor([1.0, 0.0, 0.5]))
    found = model.centred(torch.tensor([[1.0, 4.0, 2.5], [4.0, 4.0, -0.5]]))
    half = 2**-0.5
    expected = torch.tensor([[0.0, half, half], [0.6 * half, 0.8 * half, -half]])
    assert torch.allclose(found, expected)


def test_features_are_reduced_to_their_principal_axes() -> None:
    """Compare variances with those worked by hand: rows along one line and, a fifth as far, across it."""
    torch.manual_seed(3)
    along, across = torch.randn(400, 1), torch.randn(400, 1)
    features = 5 + torch.cat([along + across / 5, along - across / 5, torch.zeros(400, 1)], 1)
    centre, axes = reducing_axes(features, 3)
    assert torch.allclose(centre, features.mean(0))
    reduced = (features - centre) @ axes
    scaled = (features - centre) / (features.std(0, correction=0) + 1e-3)
    variances = torch.linalg.eigvalsh(scaled.T @ scaled / 400).flip(0)[:2]
    covariance = reduced.T @ reduced / 400
    assert torch.allclose(covariance.diagonal()[:2], variances ** (1 - WHITENING), rtol=1e-3)
    assert abs(covariance[0, 1]) < 1e-4
    _, axes = reducing_axes(features[:2], 3)
    assert not axes[:, 2].any()


def test_pictures_start_in_the_space_that_they_share() -> None:
    model = Aggregator([2, 3], 3, "mean", shared=1).eval()
    found = model.pictures(PICTURES)
    expected = torch.cat([torch.zeros(2, 2), normalize(PICTURES, dim=-1)], 1) * model.scale
    assert torch.allclose(found, expected)


def test_the_warm_up_trains_the_pictures_alone() -> None:
    model = aggregator("both")
    warm = {id(p) for group in model.warm_up_groups(1e-3) for p in group.parameters}
    names = {name.split(".")[0] for name, p in model.named_parameters() if id(p) in warm}
    assert names == {"head", "scale"}
    everything = [p for group in model.param_groups(1e-3) for p in group.parameters]
    assert {id(p) for p in everything} == {id(p) for p in model.parameters()}
    assert len(everything) == len(list(model.parameters()))


def test_axes_turn_vectors_except_in_training() -> None:
    model = aggregator("both")
    turned = torch.linalg.qr(torch.randn(4, 4)).Q
    plain = model(*INPUTS)
    model.axes.copy_(turned)
    assert torch.allclose(model(*INPUTS), plain @ turned)
    assert torch.allclose(model.train()(*INPUTS), plain, atol=0.02)  # in bfloat16 where the CPU has it


def test_every_parameter_gets_a_gradient() -> None:
    model = aggregator("both").train()
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.1)
    vectors = model(*INPUTS)
    (vectors * torch.arange(4.0)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
