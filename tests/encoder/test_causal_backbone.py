"""A causal multimodal language model behind the Backbone protocol: a tiny random Qwen3-VL, made in memory.

It goes through the same encoder and trainers as the compact backbone, without a line of theirs changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import nn
from transformers import PreTrainedTokenizerFast, Qwen3VLConfig, Qwen3VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from uninote.corpus.decode import load_picture
from uninote.encoder import Encoder, Inputs
from uninote.encoder import encoder as encoder_module
from uninote.encoder.protocol import Backbone
from uninote.encoder.truncate import fit_lengths
from uninote.errors import ItemError, ModelError
from uninote.items import Item, Note, Picture
from uninote.negatives import ReferenceIndex, mine_from_index, pair_items
from uninote.settings import (
    CorpusSettings,
    EncoderSettings,
    LoraSettings,
    NegativeSettings,
    RlSettings,
    SftSettings,
)
from uninote.tasks.definitions import Task
from uninote.tasks.pairs import make_pairs
from uninote.training.rl import train_rl
from uninote.training.sft import train_sft

END, IM_START, IM_END, START, STOP, IMAGE, VIDEO = SPECIAL = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
MERGE = 2
MAX_TOKENS = 128


def byte_level_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["a red circle on a white wall"], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=END, eos_token=IM_END, additional_special_tokens=SPECIAL
    )


def tiny_qwen(tokenizer: PreTrainedTokenizerFast, seed: int) -> Qwen3VLForConditionalGeneration:
    image, video, start, stop = tokenizer.convert_tokens_to_ids([IMAGE, VIDEO, START, STOP])
    rope = {
        "rope_type": "default",
        "rope_theta": 10000.0,
        "mrope_section": [4, 2, 2],
        "mrope_interleaved": True,
    }
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 512,
        "rope_parameters": rope,
        "initializer_range": 0.2,  # wide: a random model that still tells its inputs apart
    }
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "out_hidden_size": 64,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [0],
        "initializer_range": 0.2,
    }
    config = Qwen3VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=stop,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Qwen3VLForConditionalGeneration(config)


class TinyQwen(nn.Module):
    """`<|im_start|>instruction part part … <|im_end|>`, read out at the last token of the last layer."""

    name = "tiny-qwen"
    width = 64
    causal = True
    uses_instructions = True

    def __init__(self, padding_side: str = "right", seed: int = 0) -> None:
        super().__init__()
        self.padding_side, self.seed = padding_side, seed
        self.tokenizer = byte_level_tokenizer()
        pixels = {"shortest_edge": 32 * 32, "longest_edge": 64 * 64}
        self.processor = Qwen2VLImageProcessorPil(patch_size=16, merge_size=MERGE, size=pixels)
        self.model: Any = tiny_qwen(self.tokenizer, seed)
        self.model.requires_grad_(False)
        self.lora: dict[str, Any] | None = None

    def _ids(self, text: str) -> list[int]:
        clean = text.encode("utf-8", "replace").decode()
        ids: list[int] = self.tokenizer(clean, add_special_tokens=False, split_special_tokens=True)[
            "input_ids"
        ]
        return ids

    def _render(self, item: Item, instruction: str) -> tuple[list[int], Inputs]:
        start, end, opened, closed, image = self.tokenizer.convert_tokens_to_ids(
            [IM_START, IM_END, START, STOP, IMAGE]
        )
        pictures = list(item.pictures)[: MAX_TOKENS // 16]
        images = [load_picture(picture, CorpusSettings()) for picture in pictures]
        vision = dict(self.processor(images=images, return_tensors="pt")) if images else {}
        copies = [int(grid.prod()) // MERGE**2 for grid in vision.get("image_grid_thw", [])]
        texts = [self._ids(text) for text in item.texts]
        head = [start, *self._ids(instruction)]
        room = MAX_TOKENS - len(head) - 1 - sum(copies) - 2 * len(copies)
        fitted = iter(fit_lengths([len(ids) for ids in texts], room))
        pending_texts, pending_images = iter(texts), iter(copies)
        ids = head
        for part in item.parts:
            if isinstance(part, str):
                ids += next(pending_texts)[: next(fitted)]
            elif (count := next(pending_images, None)) is not None:
                ids += [opened, *[image] * count, closed]
        return [*ids, end], vision

    def cost(self, item: Item, instruction: str = "") -> int:
        pictures = min(len(item.pictures), MAX_TOKENS // 16)
        texts = sum(len(self._ids(text)) for text in item.texts)
        return min(MAX_TOKENS, 2 + len(self._ids(instruction)) + texts + 6 * pictures)

    def prepare(self, items: Sequence[Item], instruction: str = "") -> Inputs:
        rendered = [self._render(item, instruction) for item in items]
        batch = self.tokenizer.pad(
            {"input_ids": [ids for ids, _ in rendered]},
            padding_side=self.padding_side,
            return_tensors="pt",
        )
        image = self.tokenizer.convert_tokens_to_ids(IMAGE)
        visions = [vision for _, vision in rendered if vision]
        pixels = {key: torch.cat([vision[key] for vision in visions]) for key in (visions or [{}])[0]}
        return {**batch, "mm_token_type_ids": (batch["input_ids"] == image).int(), **pixels}

    def forward(self, attention_mask: torch.Tensor, **inputs: torch.Tensor) -> torch.Tensor:
        inner = self.model.base_model.model if self.lora else self.model
        states = inner.model(attention_mask=attention_mask, use_cache=False, **inputs).last_hidden_state
        places = torch.arange(states.shape[1], device=states.device)
        last = (attention_mask * places).argmax(1)
        readout: torch.Tensor = states[torch.arange(len(states)), last]
        return readout

    def add_lora(self, rank: int, alpha: int, dropout: float) -> None:
        if self.lora is None:
            self.lora = {"rank": rank, "alpha": alpha, "dropout": dropout}
            targets = r".*language_model.*\.(q|k|v|o|gate|up|down)_proj"
            config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=targets)
            self.model = get_peft_model(self.model, config)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        trained = {name: p.detach() for name, p in self.named_parameters() if p.requires_grad}
        save_file(trained, folder / "trained.safetensors")
        stored = {"name": self.name, "seed": self.seed, "lora": self.lora}
        (folder / "backbone.json").write_text(json.dumps(stored))

    @classmethod
    def load(cls, folder: Path, **options: Any) -> Self:
        try:
            stored = json.loads((folder / "backbone.json").read_text())
            weights = load_file(folder / "trained.safetensors")
        except OSError as error:
            raise ModelError(f"{folder} is incomplete: {error}") from error
        backbone = cls(seed=stored["seed"])
        if stored["lora"]:
            backbone.add_lora(**stored["lora"])
        backbone.load_state_dict(weights, strict=False)
        return backbone


SETTINGS = EncoderSettings(dims=(16, 64), token_budget=256, device="cpu")


def build(padding_side: str = "right") -> Encoder:
    backbone: Backbone = TinyQwen(padding_side)  # mypy checks the protocol here
    return Encoder(backbone, SETTINGS)


@pytest.fixture(scope="module")
def notes(make_picture: Callable[..., Picture]) -> list[Note]:
    made = []
    for n in range(4):
        pictures = []
        for i in range(2):
            plain = make_picture(10 * n + i, (40, 40))
            words = f"a {['red', 'blue', 'pink', 'gold'][n]} wall {i}"
            pictures.append(Picture(plain.digest, None, plain.data, words, (f"sale {n}{i}",)))
        made.append(Note(f"n{n}", f"title {n}", f"first half {n}. second half {n}.", tuple(pictures)))
    return made


@pytest.fixture(scope="module")
def items(notes: list[Note]) -> list[Item]:
    picture = notes[0].pictures[0]
    return [
        Item.of("red"),
        Item.of(picture),
        notes[0].item(),
        Item.of("long " * 60, picture, "tail"),
        Item.of("猫が好き"),
        notes[1].item(),
    ]


@pytest.mark.parametrize("padding_side", ["left", "right"])
def test_padding_and_grouping_do_not_matter(items: list[Item], padding_side: str) -> None:
    alone = np.concatenate([build().encode([item]) for item in items])
    together = build(padding_side).encode(items)
    assert together.shape == (len(items), 64)
    assert np.allclose(together, alone, atol=1e-5)
    assert (together @ together.T - np.eye(len(items)) < 0.999).all()
    narrow = build().encode(items, dim=16)
    assert np.allclose(
        narrow, alone[:, :16] / np.linalg.norm(alone[:, :16], axis=1, keepdims=True), atol=1e-5
    )


def test_the_instruction_changes_queries_only(items: list[Item]) -> None:
    encoder = build()
    corpus, query = encoder.encode(items), encoder.encode(items, task=Task.I2T)
    other = encoder.encode(items, task=Task.I2NOTE)
    assert (np.abs(corpus - query).max(1) > 1e-3).all()
    assert (np.abs(other - query).max(1) > 1e-3).all()


def test_control_tokens_in_user_text_stay_text() -> None:
    backbone = TinyQwen()
    ids = backbone.prepare([Item.of(f"{IMAGE}{IM_END}{VIDEO} hello")])["input_ids"][0].tolist()
    assert not set(ids[1:-1]) & set(backbone.tokenizer.convert_tokens_to_ids(SPECIAL))
    assert np.isfinite(build().encode([Item.of(f"{START}{IMAGE}{STOP}")])).all()


def test_long_items_and_bad_pictures(
    items: list[Item], make_picture: Callable[..., Picture], broken_picture: Picture
) -> None:
    encoder = build()
    long = Item.of("x" * 5_000, *[make_picture(i, (40, 40)) for i in range(30)])
    failures: dict[int, ItemError] = {}
    vectors = encoder.encode([items[0], Item.of(broken_picture), items[2], long], failures=failures)
    assert list(failures) == [1]
    assert np.isfinite(vectors[[0, 2, 3]]).all()
    assert np.allclose(vectors[[0, 2]], encoder.encode([items[0], items[2]]), atol=1e-5)


def trained_weights(encoder: Encoder) -> dict[str, torch.Tensor]:
    module: Any = encoder.backbone
    return {name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad}


def test_both_stages_train_it_and_it_saves(
    notes: list[Note], items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(encoder_module.BACKBONES, "tiny-qwen", TinyQwen.load)
    encoder = build()
    untrained = encoder.encode(items)
    pairs = [pair for task in (Task.I2T, Task.I2NOTE) for pair in make_pairs(notes, task)]
    index = ReferenceIndex(pair_items(pairs), encoder)
    examples = mine_from_index(pairs, index, NegativeSettings(per_query=2), 0)
    lora = LoraSettings(rank=2, alpha=4)

    sft = SftSettings(steps=2, batch_size=4, learning_rate=1e-2, warmup_ratio=0, save_every=5, lora=lora)
    train_sft(encoder, examples, index, sft, tmp_path / "sft")
    weights = trained_weights(encoder)
    assert all("lora_" in name for name in weights)
    assert all(bool(tensor.any()) for tensor in weights.values())  # lora_B starts at zero
    after_sft = encoder.encode(items)
    assert (np.abs(after_sft - untrained).max(1) > 1e-3).all()

    rl = RlSettings(steps=2, batch_size=3, learning_rate=1e-2, group_size=4, noise=2, save_every=5, lora=lora)
    train_rl(encoder, notes, rl, tmp_path / "rl")
    assert any(not torch.equal(weights[name], new) for name, new in trained_weights(encoder).items())
    logged = [json.loads(line) for line in (tmp_path / "rl" / "metrics.jsonl").read_text().splitlines()]
    assert logged[0]["kl"] == pytest.approx(0, abs=1e-6)  # no step taken yet
    assert logged[1]["kl"] > 0

    encoder.save(tmp_path / "model")
    again = Encoder.load(tmp_path / "model", device="cpu")
    assert np.allclose(again.encode(items), encoder.encode(items), atol=1e-6)
    assert not np.allclose(again.encode(items), after_sft, atol=1e-4)
