"""Token rows of a causal model: pictures by slot, three-axis positions, and prefixes that share one pass.

A row is a trunk (head and blocks) and one tail per read-out. Tails come after the trunk. Each attends only
to the trunk up to the end of its own prefix and to itself, and its positions continue from there. So every
tail's last hidden state is that of the truncated item, independent of the rest of the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray

from uninote.encoder.qwen.chat import Block

Spot = tuple[str, tuple[int, int]]
"""Picture as it enters the vision tower: digest (`Block.digest`), and height and width in pixels."""


class Frame(NamedTuple):
    """Frame shared by all rows of a batch; `unit` is the side in pixels of one visual token."""

    head: Sequence[int]
    tail: Sequence[int]
    picture_id: int
    unit: int
    video_id: int = -1


class Row:
    """Sequence under construction: ids, positions [L, 3], slots, and the structure of its attention mask.

    Attributes:
        slots: index of the visual token at this column, among those of the batch; -1 for a text token.
        branch: 0 in the trunk, 1, 2, … in the tails.
        reach: number of trunk tokens that a token attends to.
        ends: column of the read-out of each tail.
    """

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.ids: list[int] = []
        self.slots: list[int] = []
        self.positions: list[NDArray[np.int64]] = []
        self.branch: list[int] = []
        self.reach: list[int] = []
        self.marks: list[tuple[int, int]] = []
        self.tails: dict[int, int] = {}
        self.ends: list[int] = []
        self.at = 0

    def _write(self, ids: Sequence[int], slots: Sequence[int], positions: NDArray[np.int64]) -> None:
        first = len(self.ids)
        self.ids += ids
        self.slots += slots
        self.positions.append(positions)
        self.branch += [0] * len(ids)
        self.reach += range(first + 1, first + len(ids) + 1)

    def words(self, ids: Sequence[int]) -> None:
        """Append text tokens: all three position axes advance together."""
        steps = np.arange(self.at, self.at + len(ids))
        self._write(ids, [-1] * len(ids), np.repeat(steps[:, None], 3, axis=1))
        self.at += len(ids)

    def block(self, block: Block, first: dict[Spot, int]) -> None:
        """Append a text or a picture: time stands still, height and width run over its grid (M-RoPE)."""
        self.words(block.before)
        if block.visual:
            height, width = block.side[0] // self.frame.unit, block.side[1] // self.frame.unit
            grid = np.stack(
                [np.full(height * width, block.time), *map(np.ravel, np.indices((height, width)))], axis=1
            )
            start = first[block.digest, block.side]
            slots = range(start, start + block.visual)
            pad = self.frame.video_id if block.video else self.frame.picture_id
            self._write([pad] * block.visual, slots, grid + self.at)
            self.at += 0 if block.stays else max(height, width)
        self.words(block.after)

    def trunk(self, blocks: Sequence[Block], first: dict[Spot, int]) -> Self:
        """Append head and blocks; after each of them a prefix may end."""
        self.words(self.frame.head)
        self.marks.append((len(self.ids), self.at))
        for block in blocks:
            self.block(block, first)
            self.marks.append((len(self.ids), self.at))
        return self

    def close(self, count: int) -> int:
        """Return the number of the tail after the first `count` blocks; written at the first call."""
        if count not in self.tails:
            tail, (reach, at) = self.frame.tail, self.marks[count]
            self.tails[count] = len(self.ends)
            self.ids += tail
            self.slots += [-1] * len(tail)
            self.positions.append(np.repeat(np.arange(at, at + len(tail))[:, None], 3, axis=1))
            self.branch += [len(self.ends) + 1] * len(tail)
            self.reach += [reach] * len(tail)
            self.ends.append(len(self.ids) - 1)
        return self.tails[count]


def share_rows(
    chains: Sequence[Sequence[Sequence[Block]]], frame: Frame, first: dict[Spot, int], share: bool
) -> tuple[list[Row], list[tuple[int, int]]]:
    """Place rendered chains in rows. Returns them with the (row, tail) of every item in order.

    An item that begins a longer one of its chain ends in that one's row, unless `share` is False. `first` is
    the index of each picture's first visual token in the batch.
    """
    rows: list[Row] = []
    order: list[tuple[int, int]] = []
    for chain in chains:
        own: dict[int, Sequence[Block]] = {}  # rows of this chain and their content
        places: dict[int, tuple[int, int]] = {}
        # Longest first, so that later items can share its row.
        for n in sorted(range(len(chain)), key=lambda n: -len(chain[n])):
            blocks = chain[n]
            number = next(
                (row for row, trunk in own.items() if share and trunk[: len(blocks)] == blocks), None
            )
            if number is None:
                number = len(rows)
                rows.append(Row(frame).trunk(blocks, first))
                own[number] = blocks
            places[n] = number, rows[number].close(len(blocks))
        order += [places[n] for n in range(len(chain))]
    return rows, order


def collate(
    rows: Sequence[Row], order: Sequence[tuple[int, int]], pad: int, left: bool
) -> dict[str, torch.Tensor]:
    """Pad rows to tensors; `order` names the (row, tail) of each read-out.

    Returns ids and slots [n, L], positions [n, L, 3], readout [m, 2]. When a row has several tails also
    branch and reach [n, L] and, padded on the right, tails [n, T, 3]: column, reach and first column of
    the tail for each tail token, column L for a filler. Else, padded on the left, mask [n, L]. Padded on the
    right a causal model needs no mask, as no token sees what follows it: attention takes its fastest kernel.
    """
    longest = max(len(row.ids) for row in rows)
    shift = [longest - len(row.ids) if left else 0 for row in rows]

    def padded(values: Sequence[Sequence[int]], fill: int) -> torch.Tensor:
        out = np.full((len(rows), longest), fill, dtype=np.int64)
        for n, value in enumerate(values):
            out[n, shift[n] : shift[n] + len(value)] = value
        return torch.from_numpy(out)

    positions = np.zeros((len(rows), longest, 3), dtype=np.int64)
    for n, row in enumerate(rows):
        positions[n, shift[n] : shift[n] + len(row.ids)] = np.concatenate(row.positions)
    batch = {
        "ids": padded([row.ids for row in rows], pad),
        "slots": padded([row.slots for row in rows], -1),
        "positions": torch.from_numpy(positions),
        "readout": torch.tensor([[n, shift[n] + rows[n].ends[tail]] for n, tail in order]),
    }
    if any(len(row.ends) > 1 for row in rows):
        # Nothing sees a padded column; a padded row sees itself, so that its softmax is finite.
        batch["branch"] = padded([row.branch for row in rows], -1)
        batch["reach"] = padded([row.reach for row in rows], 0)
        if not left:
            batch["tails"] = _tails(rows, longest)
    elif left:
        batch["mask"] = padded([[1] * len(row.ids) for row in rows], 0)
    return batch


def _tails(rows: Sequence[Row], longest: int) -> torch.Tensor:
    found = []
    for row in rows:
        first = {branch: column for column, branch in reversed(list(enumerate(row.branch)))}
        found.append(
            [(column, row.reach[column], first[branch]) for column, branch in enumerate(row.branch) if branch]
        )
    most = max(map(len, found))
    return torch.tensor([tails + [(longest, 1, longest)] * (most - len(tails)) for tails in found])


def tree_mask(branch: torch.Tensor, reach: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return the additive mask [n, 1, L, L] of rows with several tails, from branch and reach [n, L].

    A token sees the first `reach` trunk tokens, and in its own branch what does not come after it.
    """
    place = torch.arange(branch.shape[1], device=branch.device)
    causal = place <= place[:, None]
    trunk = (branch == 0)[:, None, :] & ((branch == 0).cumsum(1)[:, None, :] <= reach[:, :, None])
    own = branch[:, :, None] == branch[:, None, :]
    seen = torch.where((branch == 0)[:, :, None], trunk, trunk | own) & causal
    mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return mask.masked_fill(~seen, torch.finfo(dtype).min)[:, None]
