"""Concurrency limit: up to the limit at once, and no more."""

from __future__ import annotations

import pytest

from uninote.service.concurrency.limit import ConcurrencyLimit
from uninote.service.errors import BusyError


def test_a_full_gate_refuses_and_a_failed_caller_leaves() -> None:
    gate = ConcurrencyLimit("explanations", 2)
    with gate.enter():
        with gate.enter(), pytest.raises(BusyError, match="2 explanations"), gate.enter():
            pass
        with pytest.raises(RuntimeError), gate.enter():
            raise RuntimeError
        with gate.enter():
            assert gate.inside == 2
    assert gate.inside == 0
