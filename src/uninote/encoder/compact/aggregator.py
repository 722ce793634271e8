"""Aggregator of the compact backbone: elements of one width to one vector; all that is trained.

With x a text element (the rows of the text towers side by side, each centred), f the features of a picture,
and u(v) = v / |v|:

    text     e = u(x + adapter(x))
    picture  e = scale * u(start(f) + head(P(f - c)))

P reduces the features to their principal axes over the training pictures, and the head is linear: a head on
all features learns a few thousand pictures by heart, and misleads on others. start(f) is the picture in the
space of a text tower that shares it (CLIP-like towers), else zero. The adapter starts at zero, so an
untrained model compares the pretrained text embeddings. Pooling of the n elements of an item, with m the mean
of e and k its kind:

    mean       w = 1 / n
    kinds      w = softmax(weight_k)
    gate       w = softmax(weight_k + gate(e, m, e * m))
    both       kinds and gate side by side in one vector of twice the width
    attention  kinds, of elements that attended to one another in Transformer layers, which start as identity

The cosine of `both` is a weighted mean of the two cosines: the first half compares whole items, the second
half finds parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import nn
from torch.nn.functional import normalize, pad

from uninote.encoder.capabilities import ParamGroup
from uninote.encoder.compact.elements import Kind
from uninote.encoder.compact.settings import Pooling

FAST = bool(getattr(torch.cpu, "_is_avx512_bf16_supported", bool)())
"""Matrix products of the training in bfloat16, where a CPU has instructions for them: four times as fast."""
HIDDEN = 768
REDUCED = 256
"""Principal axes of the picture features that the head reads."""
WHITENING = 0.5
"""Whitening of the axes: 0 keeps their variances, 1 makes all variances equal."""
GATE_HIDDEN = 128
HEADS = 6
"""Most heads of the attention."""
HEAD_DECAY = 0.05
ADAPTER_DECAY = 4.0
"""Weight decay of the text adapter: some thousand notes teach little about texts beyond the pretraining."""


class Aggregator(nn.Module):
    """Aggregator of elements.

    Attributes:
        width: of the vector: that of an element, or twice that.
        centre: float32 [text width], mean of the text rows, which is subtracted.
        picture_centre, picture_axes: c float32 [vision width], P float32 [vision width, reduced]; random axes
            until they are fitted.
        axes: float32 [width, width], orthogonal; rotates the vector, except in training mode.
    """

    centre: torch.Tensor
    picture_centre: torch.Tensor
    picture_axes: torch.Tensor
    axes: torch.Tensor

    def __init__(
        self,
        text_widths: Sequence[int],
        vision_width: int,
        pooling: Pooling,
        shared: int | None = None,
        layers: int = 1,
    ) -> None:
        """Build an untrained aggregator.

        Args:
            shared: the text tower whose space the pictures share.
            layers: of attention, for the pooling of that name.
        """
        super().__init__()
        self.text_widths, self.pooling = tuple(text_widths), pooling
        element = sum(text_widths)
        self.width = 2 * element if pooling == "both" else element
        self.place = None if shared is None else (sum(text_widths[:shared]), vision_width)
        self.dropout = nn.Dropout(0.0)
        reduced = min(REDUCED, vision_width)
        self.head = nn.Sequential(nn.LayerNorm(reduced), nn.Linear(reduced, element))
        self.adapter = nn.Sequential(
            nn.Linear(element, HIDDEN, bias=False), nn.GELU(), nn.Linear(HIDDEN, element, bias=False)
        )
        nn.init.zeros_(cast(nn.Linear, self.adapter[2]).weight)
        if shared is not None:
            last = cast(nn.Linear, self.head[1])
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.scale = nn.Parameter(torch.tensor(0.7))
        if pooling != "mean":
            self.kinds = nn.Parameter(torch.zeros(len(Kind)))
        if pooling in ("gate", "both"):
            self.gate = nn.Sequential(
                nn.Linear(3 * element, GATE_HIDDEN), nn.GELU(), nn.Linear(GATE_HIDDEN, 1, bias=False)
            )
            nn.init.zeros_(cast(nn.Linear, self.gate[2]).weight)
        if pooling == "attention":
            self.attention = attention(element, layers)
        if pooling == "both":
            self.parts = nn.Linear(element, element, bias=False)
            nn.init.eye_(self.parts.weight)
            self.halves = nn.Parameter(torch.zeros(2))
        self.register_buffer("centre", torch.zeros(element))
        self.register_buffer("picture_centre", torch.zeros(vision_width))
        self.register_buffer("picture_axes", torch.randn(vision_width, reduced) / vision_width**0.5)
        self.register_buffer("axes", torch.eye(self.width))

    def forward(
        self,
        kind: torch.Tensor,
        row: torch.Tensor,
        lengths: torch.Tensor,
        texts: torch.Tensor,
        pictures: torch.Tensor,
    ) -> torch.Tensor:
        """Return vectors float32 [n, width], of length 1.

        The m elements of all items follow one another, without padding.

        Args:
            kind: int64 [m].
            row: int64 [m], place of the element in texts followed by pictures.
            lengths: int64 [n], elements of each item.
            texts: float32 [t, text width], distinct text elements.
            pictures: float32 [u, vision width], distinct pictures.
        """
        with torch.autocast(texts.device.type, torch.bfloat16, enabled=self.training and FAST):
            elements = torch.cat([self.texts(texts), self.pictures(pictures)])[row]
            vectors = self.pool(elements, kind, lengths)
        return vectors if self.training else torch.matmul(vectors, self.axes)

    def centred(self, texts: torch.Tensor) -> torch.Tensor:
        """Subtract the centre from text rows, each tower's part a unit row again, float32 [t, text width]."""
        parts = (texts - self.centre).split(self.text_widths, -1)
        rows: torch.Tensor = torch.cat([normalize(part, dim=-1) for part in parts], -1)
        return rows.div(len(parts) ** 0.5)

    def texts(self, texts: torch.Tensor) -> torch.Tensor:
        """Return text elements, unit rows float32 [t, element width]."""
        rows = self.centred(texts)
        adapted: torch.Tensor = self.adapter(self.dropout(rows)).float()
        return normalize(rows + adapted, dim=-1)

    def pictures(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return picture elements, float32 [u, element width]."""
        reduced = (pictures - self.picture_centre) @ self.picture_axes
        made: torch.Tensor = self.head(self.dropout(reduced)).float()
        if self.place is not None:
            start, size = self.place
            made = made + pad(normalize(pictures, dim=-1), (start, made.shape[-1] - start - size))
        return normalize(made, dim=-1) * self.scale

    def pool(self, elements: torch.Tensor, kind: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return vectors float32 [n, width] of elements [m, element width], see the module."""
        # By comparison: shapes that depend on numbers cannot be exported.
        places = torch.arange(elements.shape[0], device=lengths.device)
        item = (places[:, None] >= lengths.cumsum(0)).sum(1)
        even = torch.zeros_like(elements[:, 0])
        plain = even if self.pooling == "mean" else self.kinds[kind]
        if self.pooling == "attention":
            elements = attended(self.attention, elements, item, lengths)
        whole = weighted(elements, plain, item, lengths)
        if self.pooling in ("mean", "kinds", "attention"):
            return normalize(whole, dim=-1)
        mean = weighted(elements, even, item, lengths)[item]
        gate: torch.Tensor = self.gate(torch.cat([elements, mean, elements * mean], -1))[:, 0].float()
        if self.pooling == "gate":
            return normalize(weighted(elements, plain + gate, item, lengths), dim=-1)
        found = weighted(self.parts(elements).float(), plain + gate, item, lengths)
        first, second = self.halves.softmax(0).sqrt()
        halves = [normalize(whole, dim=-1) * first, normalize(found, dim=-1) * second]
        # One number of each half in turn, so that a prefix holds as much of both.
        return torch.stack(halves, -1).flatten(1)

    def warm_up_groups(self, rate: float) -> list[ParamGroup]:
        """Return the picture head and its scale: the warm-up aligns pictures with texts."""
        matrices = [p for p in self.head.parameters() if p.ndim > 1]
        rest = [self.scale, *(p for p in self.head.parameters() if p.ndim < 2)]
        return [ParamGroup(matrices, rate, HEAD_DECAY), ParamGroup(rest, rate, 0.0)]

    def param_groups(self, rate: float) -> list[ParamGroup]:
        """Return all parameters at `rate`, with their weight decay."""
        adapter = list(self.adapter.parameters())
        others = [p for name, p in self.named_parameters() if not name.startswith("adapter.")]
        return [
            ParamGroup(adapter, rate, ADAPTER_DECAY),
            ParamGroup([p for p in others if p.ndim > 1], rate, HEAD_DECAY),
            ParamGroup([p for p in others if p.ndim < 2], rate, 0.0),
        ]


def reducing_axes(features: torch.Tensor, reduced: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the centre float32 [d] and the axes float32 [d, reduced] of features float32 [n, d].

    Every feature is brought to variance 1, then turned onto the principal axes, each divided by its variance
    to the power of `WHITENING` / 2. Axes beyond the rank of the features are zero.
    """
    centre, spread = features.mean(0), features.std(0, correction=0) + 1e-3
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # the method draws a random start
        _, values, axes = torch.svd_lowrank(
            (features - centre) / spread, q=min(reduced, *features.shape), niter=4
        )
    powers = (values.square() / len(features)).clamp(min=1e-6) ** (WHITENING / 2)
    found = torch.zeros(features.shape[1], reduced)
    found[:, : len(values)] = axes / powers / spread[:, None]
    return centre, found


def attention(width: int, layers: int) -> nn.TransformerEncoder:
    """Return untrained Transformer layers that change nothing yet."""
    heads = next(heads for heads in range(HEADS, 0, -1) if width % heads == 0)
    layer = nn.TransformerEncoderLayer(
        width, heads, 2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    for linear in (layer.self_attn.out_proj, layer.linear2):
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


def attended(
    layers: nn.TransformerEncoder, elements: torch.Tensor, item: torch.Tensor, lengths: torch.Tensor
) -> torch.Tensor:
    """Return elements [m, d] after attention within each item; the others as in `weighted`."""
    places = torch.arange(elements.shape[0], device=elements.device) - (lengths.cumsum(0) - lengths)[item]
    # The exported graph pads every item to all elements: shapes that depend on numbers cannot be exported.
    longest = elements.shape[0] if torch.compiler.is_exporting() else int(lengths.max())
    padded = elements.new_zeros(lengths.shape[0], longest, elements.shape[1])
    padded = padded.index_put((item, places), elements)
    empty = torch.arange(longest, device=elements.device) >= lengths[:, None]
    found: torch.Tensor = layers(padded, src_key_padding_mask=empty)
    return found[item, places].float()


def weighted(
    elements: torch.Tensor, logits: torch.Tensor, item: torch.Tensor, lengths: torch.Tensor
) -> torch.Tensor:
    """Return sums [n, d] of elements [m, d], weighted by the softmax of logits [m] within each item.

    item: int64 [m], the item of each element. lengths: int64 [n], elements of each item, at least one.
    """
    count = lengths.shape[0]
    largest = logits.new_full((count,), -torch.inf).scatter_reduce(0, item, logits.detach(), "amax")
    weights = (logits - largest[item]).exp()
    weights = weights / logits.new_zeros(count).index_add(0, item, weights)[item]
    return elements.new_zeros(count, elements.shape[1]).index_add(0, item, weights[:, None] * elements)
