"""Rows with shared prefixes, worked by hand."""

from __future__ import annotations

import torch

from uninote.encoder.qwen.chat import Block
from uninote.encoder.qwen.rows import Frame, collate, share_rows, tree_mask

FRAME = Frame(head=(1,), tail=(8, 9), picture_id=5, unit=10)
WORD, PICTURE = Block((2,)), Block((3,), (4,), "digest", (10, 20), 2)


def test_a_chain_in_one_row() -> None:
    rows, order = share_rows([[[WORD], [WORD, PICTURE]]], FRAME, {("digest", (10, 20)): 7}, share=True)
    assert order == [(0, 1), (0, 0)]
    batch = collate(rows, order, pad=0, left=False)
    assert batch["ids"].tolist() == [[1, 2, 3, 5, 5, 4, 8, 9, 8, 9]]
    assert batch["slots"].tolist() == [[-1, -1, -1, 7, 8, -1, -1, -1, -1, -1]]
    # Time stands still in a picture, its width is 2: the next token has position 3 + max(1, 2).
    time, height, width = batch["positions"][0].T.tolist()
    assert time == [0, 1, 2, 3, 3, 5, 6, 7, 2, 3]
    assert height == [0, 1, 2, 3, 3, 5, 6, 7, 2, 3]
    assert width == [0, 1, 2, 3, 4, 5, 6, 7, 2, 3]
    assert batch["branch"].tolist() == [[0] * 6 + [1, 1, 2, 2]]
    assert batch["reach"].tolist() == [[1, 2, 3, 4, 5, 6, 6, 6, 2, 2]]
    assert batch["readout"].tolist() == [[0, 9], [0, 7]]
    assert "mask" not in batch


def test_who_sees_whom() -> None:
    rows, order = share_rows([[[WORD], []], [[WORD, WORD]]], FRAME, {}, share=True)
    for left in (False, True):
        batch = collate(rows, order, pad=0, left=left)
        seen = tree_mask(batch["branch"], batch["reach"], torch.float32)[:, 0] == 0
        first = seen[0].int().tolist()
        assert first == [  # head, word, tail after the word, tail after the head
            [1, 0, 0, 0, 0, 0],
            [1, 1, 0, 0, 0, 0],
            [1, 1, 1, 0, 0, 0],
            [1, 1, 1, 1, 0, 0],
            [1, 0, 0, 0, 1, 0],
            [1, 0, 0, 0, 1, 1],
        ]
        trunk = slice(1, 6) if left else slice(0, 5)
        assert torch.equal(seen[1][trunk, trunk], torch.ones(5, 5).tril().bool())
        assert seen[1].any(1).all()  # a padded token too, or its softmax would be NaN
        assert not seen[1][trunk, 0 if left else 5].any()  # and no one sees it


def test_rows_of_their_own() -> None:
    chain = [[WORD], [WORD, WORD], [PICTURE], [WORD]]
    spots = {("digest", (10, 20)): 0}
    assert share_rows([chain], FRAME, spots, share=True)[1] == [(0, 1), (0, 0), (1, 0), (0, 1)]
    rows, order = share_rows([chain], FRAME, spots, share=False)
    assert len(rows) == 4
    assert sorted(order) == [(0, 0), (1, 0), (2, 0), (3, 0)]
    assert set(collate(rows, order, pad=0, left=False)) == {"ids", "slots", "positions", "readout"}
    padded = collate(rows, order, pad=0, left=True)
    assert padded["mask"].sum(1).tolist() == [len(row.ids) for row in rows]
    assert padded["ids"][padded["readout"][:, 0], padded["readout"][:, 1]].tolist() == [9] * 4
