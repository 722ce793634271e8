"""Rows with shared prefixes, worked by hand."""

from __future__ import annotations

from uninote.encoder.qwen.chat import Block
from uninote.encoder.qwen.rows import Frame, collate, share_rows

FRAME = Frame(head=(1,), tail=(8, 9), picture_id=5, unit=10)
WORD, PICTURE = Block((2,)), Block((3,), (4,), "digest", (10, 20), 2)


def test_a_chain_in_one_row() -> None:
    rows, order = share_rows([[[WORD], [WORD, PICTURE]]], FRAME, {("digest", (10, 20)): 7}, share=True)
    assert order == [(0, 1), (0, 0)]
    batch = collate(rows, order, pad=0, packed=True)
    assert batch["ids"].tolist() == [[1, 2, 3, 5, 5, 4, 8, 9, 8, 9]]
    assert batch["slots"].tolist() == [[-1, -1, -1, 7, 8, -1, -1, -1, -1, -1]]
    # Time stands still in a picture, its width is 2: the next token has position 3 + max(1, 2).
    time, height, width = batch["positions"][0].T.tolist()
    assert time == [0, 1, 2, 3, 3, 5, 6, 7, 2, 3]
    assert height == [0, 1, 2, 3, 3, 5, 6, 7, 2, 3]
    assert width == [0, 1, 2, 3, 4, 5, 6, 7, 2, 3]
    assert batch["sequences"].tolist() == [[8, 0, 0], [2, 0, 2]]  # the item, and an end after two columns
    assert batch["readout"].tolist() == [[0, 9], [0, 7]]


def test_rows_follow_one_another() -> None:
    rows, order = share_rows([[[WORD], []], [[WORD, WORD]], [[]]], FRAME, {}, share=True)
    batch = collate(rows, order, pad=0, packed=True)
    assert batch["ids"].tolist() == [[1, 2, 8, 9, 8, 9, 1, 2, 2, 8, 9, 1, 8, 9]]
    assert batch["positions"][0, :, 0].tolist() == [0, 1, 2, 3, 1, 2, 0, 1, 2, 3, 4, 0, 1, 2]
    assert batch["sequences"].tolist() == [[4, 0, 0], [2, 0, 1], [5, 2, 0], [3, 3, 0]]
    assert batch["readout"].tolist() == [[0, 3], [0, 5], [0, 10], [0, 13]]


def test_rows_of_their_own() -> None:
    chain = [[WORD], [WORD, WORD], [PICTURE], [WORD]]
    spots = {("digest", (10, 20)): 0}
    assert share_rows([chain], FRAME, spots, share=True)[1] == [(0, 1), (0, 0), (1, 0), (0, 1)]
    rows, order = share_rows([chain], FRAME, spots, share=False)
    assert sorted(order) == [(0, 0), (1, 0), (2, 0), (3, 0)]
    padded = collate(rows, order, pad=0, packed=False)
    assert set(padded) == {"ids", "slots", "positions", "readout"}
    assert padded["ids"].tolist()[:2] == [[1, 2, 2, 8, 9, 0, 0], [1, 2, 8, 9, 0, 0, 0]]
    assert (padded["ids"] > 0).sum(1).tolist() == [len(row.ids) for row in rows]
    assert padded["ids"][padded["readout"][:, 0], padded["readout"][:, 1]].tolist() == [9] * 4
