"""Devices by name, and the card of a process."""

from __future__ import annotations

import pytest
import torch

from uninote.encoder.device import resolve_device


@pytest.mark.parametrize(
    ("name", "rank", "expected"),
    [
        ("auto", "3", "cuda:3"),
        ("cuda", "3", "cuda:3"),
        ("cuda:0", "3", "cuda:0"),
        ("cpu", "3", "cpu"),
        ("cuda", "", "cuda"),
    ],
)
def test_each_process_of_a_machine_takes_its_own_card(
    monkeypatch: pytest.MonkeyPatch, name: str, rank: str, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", rank)
    assert resolve_device(name) == torch.device(expected)
