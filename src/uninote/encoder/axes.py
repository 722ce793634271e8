"""Principal axes: a rotation of trained vectors by falling variance, for short prefixes.

A rotation preserves all cosines at full width. The PCA rotation minimises the error of inner products
computed on any prefix (Eckart and Young, 1936). It needs no training, and unlike Matryoshka supervision
(Eq. 14) it costs no accuracy at full width. Training uses the vectors without the rotation.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch

from uninote.encoder.capabilities import HasAxes
from uninote.encoder.encoder import Encoder
from uninote.encoder.partial import encode_partly
from uninote.items import Item

MOST = 4096
"""Items that axes are fitted to, evenly from all: ten times as many as there are dimensions."""


def principal_axes(vectors: torch.Tensor) -> torch.Tensor:
    """Return orthogonal float32 [d, d]: columns are the axes of float [n, d], by falling second moment."""
    rows = vectors.double()
    rising: torch.Tensor = torch.linalg.eigh(rows.T @ rows).eigenvectors
    return rising.flip(1).float()


@torch.no_grad()
def reset_axes(encoder: Encoder) -> None:
    """Set the rotation to the identity, before training. Backbones without axes stay as they are."""
    if isinstance(encoder.backbone, HasAxes):
        axes = encoder.backbone.axes
        axes.copy_(torch.eye(len(axes)))


@torch.no_grad()
def fit_axes(encoder: Encoder, items: Sequence[Item]) -> None:
    """Rotate the vectors onto their principal axes over `items`, after training, if the settings say so."""
    reset_axes(encoder)
    backbone: Any = encoder.backbone
    if not isinstance(backbone, HasAxes) or not items or not encoder.settings.principal_axes:
        return
    whole = copy.copy(encoder)
    whole.dims = (len(backbone.axes),)
    drawn = items[:: -(-len(items) // MOST)]
    rows, _ = encode_partly(whole.encode, drawn)  # a zero row adds nothing to the moment
    backbone.axes.copy_(principal_axes(torch.from_numpy(rows)))
