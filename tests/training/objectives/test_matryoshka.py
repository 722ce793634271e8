"""Eq. 14: prefixes, re-normalised, summed; gathered and dense candidates alike."""

import pytest
import torch
from torch import Tensor

from uninote.errors import ConfigError
from uninote.training.objectives import OBJECTIVES, matryoshka_loss, prefix_cosines
from uninote.training.objectives.symmetric_kl import symmetric_kl


def inputs(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(3, 6, generator=generator, dtype=dtype)
    candidates = torch.randn(5, 6, generator=generator, dtype=dtype)
    labels = torch.rand(3, 5, generator=generator, dtype=dtype)
    mask = torch.tensor([[True] * 5, [True, False, True, True, True], [True, True, True, False, False]])
    return queries, candidates, labels, mask


def test_prefix_cosines_by_hand() -> None:
    queries, candidates = torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0], [-2.0, 0.0]])
    # Both dimensions: (12 + 12)/25 and -6/10; the first alone: re-normalised to ±1.
    torch.testing.assert_close(prefix_cosines(queries, candidates, 2), torch.tensor([[0.96, -0.6]]))
    torch.testing.assert_close(prefix_cosines(queries, candidates, 1), torch.tensor([[1.0, -1.0]]))


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_is_the_sum_over_prefixes(name: str) -> None:
    queries, candidates, labels, mask = inputs()
    expected = 0.0
    for dim in (2, 4, 6):
        rows = [
            [
                float(q[:dim] @ c[:dim] / (q[:dim].square().sum() * c[:dim].square().sum()).sqrt())
                for c in candidates
            ]
            for q in queries
        ]
        expected += OBJECTIVES[name](torch.tensor(rows, dtype=torch.float64), labels, mask, 0.1).item()
    loss = matryoshka_loss(
        OBJECTIVES[name], queries, candidates, labels, mask, dims=(2, 4, 6), temperature=0.1
    )
    assert loss.item() == pytest.approx(expected)


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_gathered_candidates_equal_dense_ones(name: str) -> None:
    queries, candidates, labels, mask = inputs()
    index = torch.tensor([[4, 0, 2], [3, 2, 0], [1, 2, 0]])
    gathered = matryoshka_loss(
        OBJECTIVES[name],
        queries,
        candidates,
        labels.gather(1, index),
        mask.gather(1, index),
        dims=(3, 6),
        temperature=0.1,
        index=index,
        positive=torch.tensor([1, 1, 2]),
    )
    only_index = mask & torch.zeros_like(mask).scatter(1, index, True)
    dense = matryoshka_loss(
        OBJECTIVES[name],
        queries,
        candidates,
        labels,
        only_index,
        dims=(3, 6),
        temperature=0.1,
        positive=torch.tensor([0, 2, 0]),
    )
    torch.testing.assert_close(gathered, dense)


def test_length_of_embeddings_does_not_matter() -> None:
    queries, candidates, labels, mask = inputs()
    loss = matryoshka_loss(symmetric_kl, queries, candidates, labels, mask, dims=(2, 6), temperature=0.1)
    scaled = matryoshka_loss(
        symmetric_kl, 7 * queries, candidates / 3, labels, mask, dims=(2, 6), temperature=0.1
    )
    torch.testing.assert_close(loss, scaled)


def test_gradient() -> None:
    queries, candidates, labels, mask = inputs()
    queries.requires_grad_()
    candidates.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda q, c: matryoshka_loss(symmetric_kl, q, c, labels, mask, dims=(2, 6), temperature=0.2),
        (queries, candidates),
    )


def test_autocast_and_half_inputs_do_not_lower_precision() -> None:
    queries, candidates, labels, mask = inputs(torch.float32)
    loss = matryoshka_loss(symmetric_kl, queries, candidates, labels, mask, dims=(2, 6), temperature=0.02)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = matryoshka_loss(
            symmetric_kl, queries, candidates, labels, mask, dims=(2, 6), temperature=0.02
        )
    assert mixed.item() == loss.item()
    assert prefix_cosines(queries.bfloat16(), candidates.bfloat16(), 6).dtype == torch.float32


@pytest.mark.parametrize("dims", [(), (0,), (2, 7)])
def test_impossible_prefixes_are_refused(dims: tuple[int, ...]) -> None:
    queries, candidates, labels, mask = inputs()
    with pytest.raises(ConfigError, match=r"within 1\.\.6"):
        matryoshka_loss(symmetric_kl, queries, candidates, labels, mask, dims=dims, temperature=0.1)
