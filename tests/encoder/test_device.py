"""Devices by name, the card of a process, and the cores that a model leaves."""

from __future__ import annotations

import pytest
import torch

from uninote.encoder.device import resolve_device, spare_cores


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


@pytest.mark.parametrize(
    ("device", "cores", "model", "processes", "left"),
    [
        ("cpu", 8, 6, 1, 2),
        ("cpu", 2, 2, 1, 2),  # the model waits meanwhile
        ("cpu", 8, 1, 2, 3),
        ("cuda", 16, 16, 1, 15),
        ("cuda", 64, 64, 8, 7),
        ("cuda", 1, 1, 2, 1),
    ],
)
def test_cores_left_for_decoding(
    monkeypatch: pytest.MonkeyPatch, device: str, cores: int, model: int, processes: int, left: int
) -> None:
    monkeypatch.setattr("uninote.encoder.device.cores", lambda: cores)
    monkeypatch.setattr(torch, "get_num_threads", lambda: model)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    assert spare_cores(torch.device(device)) == left
