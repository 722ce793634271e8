"""Text tower: a tokenizer and a network, and their loaders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from uninote.encoder.batching import token_batches
from uninote.encoder.towers import e5_file
from uninote.encoder.towers.network import SharedText, TextNetwork
from uninote.encoder.towers.pretrained import load_model, loading, quiet
from uninote.encoder.towers.protocol import Array
from uninote.encoder.towers.runtime import Batch, Runner
from uninote.encoder.towers.sentence_folder import read_sentence
from uninote.encoder.towers.tokens import Ids, TokenRules, Tokens
from uninote.errors import ModelError
from uninote.progress import show_progress

LONGEST = 8192
"""Tokens of a sequence when neither model nor tokenizer states fewer."""
VOCABULARIES = ("tokenizer.json", "vocab.*", "*.model")
E5_PROMPT = "query: "
"""Prompt of E5 models for comparisons in which both sides are of one kind."""


class TextParts(NamedTuple):
    """Parts of a text tower."""

    tokens: Tokens
    network: nn.Module


class TokenTower:
    """`TextTower` of token sequences; see the protocol."""

    def __init__(self, name: str, width: int, tokens: Tokens, runner: Runner) -> None:
        self.name, self.width, self.tokens, self.runner = name, width, tokens, runner
        self.max_tokens = tokens.room

    def count(self, text: str) -> int:
        return self.tokens.count(text)

    def encode(self, texts: Sequence[str], progress: bool = False) -> Array:
        vectors = np.empty((len(texts), self.width), dtype=np.float32)
        if not texts:
            return vectors
        sequences = self.tokens.encode(texts)
        costs = [self.tokens.cost(sequence) for sequence in sequences]
        most = 1 if self.runner.tokens == 0 else None
        batches = list(token_batches(costs, self.runner.tokens or None, most))
        inputs = [self._batch([sequences[n] for n in batch]) for batch in batches]
        with show_progress("text tower", len(texts), show=progress, transient=True) as bar:
            for batch, found in zip(batches, self.runner.run(inputs), strict=True):
                vectors[batch] = found
                bar.advance(len(batch))
        return vectors

    def _batch(self, sequences: Sequence[Ids]) -> Batch:
        ids, mask = self.tokens.pad(sequences)
        return {"ids": ids, "mask": mask}


def width_of(parts: TextParts) -> int:
    """Return the dimension of the network's vectors, by running it once."""
    ids, mask = parts.tokens.pad(parts.tokens.encode(["a"]))
    with torch.inference_mode():
        return int(parts.network(torch.from_numpy(ids), torch.from_numpy(mask)).shape[1])


def load_text(folder: Path, prompt: str = "") -> TextParts:
    """Load a folder of `transformers` or sentence-transformers.

    Args:
        prompt: text put before every text, where the folder names none.

    Raises ModelError when the folder holds no text model.
    """
    sentence = read_sentence(folder)
    model = (loaded := load_model(sentence.model)).model
    if not loaded.shared and model.main_input_name != "input_ids":
        raise ModelError(
            f"{folder} holds a {model.config.model_type} model, which reads no text: name it as the vision "
            "tower"
        )
    with loading(folder, "tokenizer.json"), quiet():
        from transformers import AutoTokenizer

        if not any(any(sentence.model.glob(name)) for name in VOCABULARIES):
            raise ValueError("it has no vocabulary")  # the library would make an empty one
        tokenizer = AutoTokenizer.from_pretrained(str(sentence.model), trust_remote_code=False)
        if not tokenizer.is_fast:
            raise ValueError("its tokenizer has no tokenizer.json")
        text_config = getattr(model.config, "text_config", model.config)
        positions = int(getattr(text_config, "max_position_embeddings", LONGEST))
        if _counts_from_padding(model):
            positions -= int(text_config.pad_token_id) + 1
        limits = (sentence.longest or LONGEST, positions, int(tokenizer.model_max_length))
        pad = tokenizer.pad_token_id
        fixed = model.config.model_type.startswith("siglip")
        rules = TokenRules(
            longest=min(limits),
            pad=0 if pad is None else int(pad),
            prompt=sentence.prompt or prompt,
            control={},
            lower=sentence.lower,
            fixed=fixed,
            left=fixed and tokenizer.padding_side == "left",
        )
        tokens = Tokens.from_pretrained(tokenizer, rules)
    if loaded.shared:
        return TextParts(tokens, SharedText(model, masked=not fixed))
    return TextParts(tokens, TextNetwork(model, sentence.pooling, sentence.dense))


def _counts_from_padding(model: Any) -> bool:
    """Check for position ids that begin after the padding id, as RoBERTa's."""
    embeddings = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    return getattr(embeddings, "padding_idx", None) is not None


def load_e5(file: Path) -> TextParts:
    """Load multilingual-e5-small out of its 4-bit file. Raises ModelError when the file is not whole."""
    content = e5_file.read_e5(file)
    special = content.special
    control = {content.pieces[id][0]: id for id in (special.bos, special.eos, special.pad)}
    control |= {piece: id for id, (piece, _) in enumerate(content.pieces) if piece == "<mask>"}
    rules = TokenRules(content.sizes.positions, special.pad, E5_PROMPT, control)
    tokens = Tokens(e5_file.tokenizer_of(content), rules)
    return TextParts(tokens, TextNetwork(e5_file.bert_of(content)))
