"""Networks of the towers as torch modules: a pretrained model, its pooling and its projections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn
from torch.nn.functional import normalize

POOLINGS = ("mean", "cls", "lasttoken", "max")


def pool(states: torch.Tensor, mask: torch.Tensor, how: str) -> torch.Tensor:
    """Return [n, width] of token states [n, L, width] and a mask int [n, L], padded on the right."""
    if how == "cls":
        return states[:, 0]
    if how == "lasttoken":
        last = (mask.sum(1) - 1).view(-1, 1, 1).expand(-1, 1, states.shape[-1])
        return states.gather(1, last).squeeze(1)
    kept = mask[..., None].to(states.dtype)
    if how == "max":
        return states.masked_fill(kept == 0, float("-inf")).amax(1)
    return (states * kept).sum(1) / kept.sum(1).clamp(min=1)


class TextNetwork(nn.Module):
    """Text model with pooling and dense layers: ids, mask int64 [n, L] to unit rows float32 [n, width]."""

    def __init__(self, model: nn.Module, pooling: str = "mean", dense: Sequence[nn.Module] = ()) -> None:
        super().__init__()
        self.model, self.pooling, self.dense = model, pooling, nn.Sequential(*dense)
        self.eval().requires_grad_(False)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return normalize(self.dense(pool(states, mask, self.pooling)).float(), dim=-1)


class SharedText(nn.Module):
    """Text side of a model with one space for texts and pictures: as `TextNetwork`."""

    def __init__(self, model: Any, masked: bool) -> None:
        """Take the text side of `model`; `masked`: False for models that read the padding too, as SigLIP."""
        super().__init__()
        self.model, self.masked = model, masked
        for part in ("vision_model", "visual_projection"):
            if hasattr(model, part):
                delattr(model, part)
        self.eval().requires_grad_(False)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        more = {"attention_mask": mask} if self.masked else {}
        found = cast(Any, self.model).get_text_features(input_ids=ids, **more)
        return normalize(_features(found).float(), dim=-1)


class SharedVision(nn.Module):
    """Picture side of a model with one space for texts and pictures: pixels to unit rows [n, width]."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        for part in ("text_model", "text_projection"):
            if hasattr(model, part):
                delattr(model, part)
        self.eval().requires_grad_(False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        found = cast(Any, self.model).get_image_features(pixel_values=pixels)
        return normalize(_features(found).float(), dim=-1)


class PatchVision(nn.Module):
    """Picture side of SigLIP 2 with pictures of any shape: packed patches to unit rows [n, width].

    A packed picture is float32 [patches, values + 2]: the patches, padded with zeros, and in the last two
    columns of every row the height and width in patches.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.inner = SharedVision(model).model

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        shapes = pixels[:, 0, -2:].long()
        mask = torch.arange(pixels.shape[1], device=pixels.device)[None] < shapes.prod(1, keepdim=True)
        found = cast(Any, self.inner).get_image_features(
            pixel_values=pixels[..., :-2], pixel_attention_mask=mask.int(), spatial_shapes=shapes
        )
        return normalize(_features(found).float(), dim=-1)


class VisionNetwork(nn.Module):
    """Vision model: pixels float32 [n, 3, H, W] to float32 [n, width].

    The row is the model's pooled output; without a trained one the class token, or the mean of the patches.
    """

    def __init__(self, model: nn.Module, pooled: bool, class_token: bool) -> None:
        super().__init__()
        self.model, self.pooled, self.class_token = model, pooled, class_token
        self.eval().requires_grad_(False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        found = self.model(pixel_values=pixels)
        if self.pooled:
            return cast(torch.Tensor, found.pooler_output).flatten(1).float()
        states = found.last_hidden_state
        if states.dim() == 4:  # a convolutional grid [n, width, h, w]
            return cast(torch.Tensor, states.mean((2, 3)).float())
        return cast(torch.Tensor, (states[:, 0] if self.class_token else states.mean(1)).float())


def _features(found: Any) -> torch.Tensor:
    return cast(torch.Tensor, found if isinstance(found, torch.Tensor) else found.pooler_output)
