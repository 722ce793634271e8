from __future__ import annotations

from collections import Counter

import torch
from torch.nn.functional import normalize

from uninote.training.clusters import neighbour_groups


def test_clusters_become_groups() -> None:
    """Group four tight clusters in shuffled order."""
    generator = torch.Generator().manual_seed(0)
    cluster = torch.arange(4).repeat(5)
    vectors = normalize(torch.eye(4)[cluster] + 0.05 * torch.randn(20, 4, generator=generator), dim=-1)
    groups = neighbour_groups(vectors, 5, seed=3)
    assert len({(group, int(c)) for group, c in zip(groups, cluster, strict=True)}) == 4


def test_every_row_once_and_the_rest_with_the_last() -> None:
    vectors = normalize(torch.randn(23, 8, generator=torch.Generator().manual_seed(1)), dim=-1)
    groups = neighbour_groups(vectors, 5, seed=0)
    assert sorted(Counter(groups).values()) == [5, 5, 5, 8]
    assert neighbour_groups(vectors, 5, seed=0) == groups != neighbour_groups(vectors, 5, seed=1)
    assert neighbour_groups(vectors[:3], 5, seed=0) == [0, 0, 0]
    assert neighbour_groups(vectors[:0], 5, seed=0) == []
