"""Token rows of a causal model: pictures by slot, three-axis positions, and prefixes that share one pass.

A row is a trunk (head and blocks) and one tail per read-out. Tails come after the trunk. Each attends only
to the trunk up to the end of its own prefix and to itself, and its positions continue from there. So every
tail's last hidden state is that of the truncated item, independent of the rest of the row. The rows of a
batch are packed: they follow one another in one row of the model, without padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray

from uninote.encoder.qwen.chat import Block

Spot = tuple[str, tuple[int, int]]
"""Picture as it enters the vision tower: digest, and height and width in pixels."""


class Frame(NamedTuple):
    """Frame shared by all rows of a batch; `unit` is the side in pixels of one visual token."""

    head: Sequence[int]
    tail: Sequence[int]
    picture_id: int
    unit: int


class Row:
    """Sequence under construction: ids, positions [L, 3], slots, and its tails.

    Attributes:
        slots: index of the visual token at this column, among those of the batch; -1 for a text token.
        ends: column of the read-out of each tail.
        reaches: number of trunk tokens that each tail attends to: all of them in the first tail.
    """

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.ids: list[int] = []
        self.slots: list[int] = []
        self.positions: list[NDArray[np.int64]] = []
        self.marks: list[tuple[int, int]] = []
        self.tails: dict[int, int] = {}
        self.ends: list[int] = []
        self.reaches: list[int] = []
        self.at = 0

    def _write(self, ids: Sequence[int], slots: Sequence[int], positions: NDArray[np.int64]) -> None:
        self.ids += ids
        self.slots += slots
        self.positions.append(positions)

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
                [np.zeros(height * width, np.int64), *map(np.ravel, np.indices((height, width)))], axis=1
            )
            start = first[block.digest, block.side]
            slots = range(start, start + block.visual)
            self._write([self.frame.picture_id] * block.visual, slots, grid + self.at)
            self.at += max(height, width)
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
            self._write(tail, [-1] * len(tail), np.repeat(np.arange(at, at + len(tail))[:, None], 3, axis=1))
            self.reaches.append(reach)
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
    rows: Sequence[Row], order: Sequence[tuple[int, int]], pad: int, packed: bool
) -> dict[str, torch.Tensor]:
    """Join rows to tensors; `order` names the (row, tail) of each read-out.

    Returns ids and slots [n, L], positions [n, L, 3], readout [m, 2]. Packed, n is 1, and `sequences` are
    those of `packed_attention.Packing`: a trunk with its first tail, and every further tail. Else each row
    has one tail and is padded on the right, where a causal model needs no mask.
    """
    lengths = [len(row.ids) for row in rows]
    shape = (1, sum(lengths)) if packed else (len(rows), max(lengths))
    starts = np.cumsum(lengths) - lengths
    places = [(0, int(start)) for start in starts] if packed else [(n, 0) for n in range(len(rows))]
    ids, slots = np.full(shape, pad, dtype=np.int64), np.full(shape, -1, dtype=np.int64)
    positions = np.zeros((*shape, 3), dtype=np.int64)
    for row, (line, start) in zip(rows, places, strict=True):
        span = slice(start, start + len(row.ids))
        ids[line, span], slots[line, span] = row.ids, row.slots
        positions[line, span] = np.concatenate(row.positions)
    batch = {
        "ids": torch.from_numpy(ids),
        "slots": torch.from_numpy(slots),
        "positions": torch.from_numpy(positions),
        "readout": torch.tensor([[places[n][0], places[n][1] + rows[n].ends[tail]] for n, tail in order]),
    }
    if packed:
        sequences: list[tuple[int, int, int]] = []
        for row in rows:
            trunk = len(sequences)
            sequences.append((row.ends[0] + 1, trunk, 0))
            sequences += [(len(row.frame.tail), trunk, reach) for reach in row.reaches[1:]]
        batch["sequences"] = torch.tensor(sequences)
    return batch
