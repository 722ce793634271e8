"""Sharding in one process: what is refused; `test_distributed` trains with two."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.training.tiny_backbone import HashedReference, items_of, tiny_encoder, tiny_examples

from uninote.errors import ConfigError
from uninote.negatives import ReferenceIndex
from uninote.settings import SftSettings
from uninote.training.sft import train_sft


def test_a_backbone_without_layers_to_shard_is_refused(tmp_path: Path) -> None:
    examples = tiny_examples()
    index = ReferenceIndex(items_of(examples), HashedReference())
    settings = SftSettings(sharding="fsdp", steps=1, batch_size=3)
    with pytest.raises(ConfigError, match="the tiny backbone has no layers to shard"):
        train_sft(tiny_encoder(), examples, index, settings, tmp_path)
