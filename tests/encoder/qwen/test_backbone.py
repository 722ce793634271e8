"""The Qwen-VL backbone on tiny random models of two families: real architecture, tokenizer and processor."""

from __future__ import annotations

import io
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from uninote.encoder import Encoder, PrefixBackbone
from uninote.encoder.protocol import Backbone
from uninote.encoder.qwen.backbone import QwenVLBackbone
from uninote.errors import ConfigError, ItemError, ModelError
from uninote.items import Item, Picture
from uninote.settings import EncoderSettings, load_settings
from uninote.tasks.definitions import INSTRUCTIONS, Task

KINDS = ["qwen3", "qwen2.5"]
FAMILY = [*KINDS, "qwen2", "qwen3-moe", "qwen3.5"]
Build = Callable[..., QwenVLBackbone]


@pytest.fixture(scope="module")
def build(tiny_qwen: Callable[..., Path]) -> Build:
    def make(kind: str = "qwen3", seed: int = 0, **options: Any) -> QwenVLBackbone:
        folder = str(tiny_qwen(kind, seed))
        return QwenVLBackbone(
            folder, EncoderSettings(**{"model": folder, "max_tokens": 300, "device": "cpu", **options})
        )

    return make


@pytest.fixture(scope="module")
def pictures(make_picture: Callable[..., Picture]) -> list[Picture]:
    return [make_picture(i, (70 + 30 * i, 80)) for i in range(6)]


@pytest.fixture(scope="module")
def items(pictures: list[Picture]) -> list[Item]:
    a, b, c = pictures[:3]
    return [
        Item.of("a title.", "a body", a, "SALE", b),
        Item.of(a),
        Item.of("hello"),
        Item.of(b, c, "words"),
        Item.of("猫が好き", a, a),
    ]


def embed(backbone: Any, items: list[Item], instruction: str = "") -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = backbone(**backbone.prepare(items, instruction))
    return found


def one_by_one(backbone: Any, items: list[Item], instruction: str = "") -> torch.Tensor:
    return torch.cat([embed(backbone, [item], instruction) for item in items])


@pytest.mark.parametrize("kind", FAMILY)
def test_equal_to_the_library_s_own_forward(build: Build, items: list[Item], kind: str) -> None:
    """Compare positions, scattered features and DeepStack with `transformers`, which caches no picture."""
    backbone = build(kind)
    for item, found in zip(items, embed(backbone, items), strict=True):
        ids = backbone.prepare([item])["ids"]
        seen = [backbone.prepare([Item.of(picture)]) for picture in item.pictures]
        vision = (
            {
                "pixel_values": backbone.pixels.normalised(
                    torch.cat([one["pixels"] for one in seen]), torch.float32
                ),
                "image_grid_thw": torch.cat([one["grids"] for one in seen]),
            }
            if seen
            else {}
        )
        with torch.no_grad():
            reference = backbone.core(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                mm_token_type_ids=(ids == backbone.picture_id).int(),
                **vision,
            ).last_hidden_state[0, -1]
        assert torch.allclose(found, reference, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_packing_and_grouping_do_not_matter(
    build: Build, items: list[Item], kind: str, attention: str
) -> None:
    backbone: Backbone = build(kind, attention=attention)  # mypy checks the protocol here
    alone = one_by_one(backbone, items)
    unit = torch.nn.functional.normalize(alone, dim=1)
    assert (unit @ unit.T - torch.eye(len(items)) < 0.999).all()
    assert torch.allclose(embed(backbone, items), alone, atol=1e-5)
    costs = [backbone.cost(item) for item in items]
    assert [len(backbone.prepare([item])["ids"][0]) for item in items] == costs
    shape = (1, sum(costs)) if attention == "sdpa" else (len(items), max(costs))
    assert backbone.prepare(items)["ids"].shape == shape


def test_the_vision_tower_gets_no_padding(build: Build, pictures: list[Picture]) -> None:
    """Pass the patches of pictures of different sizes, and nothing more."""
    backbone = build()
    inputs = backbone.prepare([Item.of(picture) for picture in pictures])
    assert len({tuple(grid) for grid in inputs["grids"].tolist()}) > 2
    assert len(inputs["pixels"]) == int(inputs["grids"].prod(1).sum())
    seen: list[int] = []
    backbone.core.visual.blocks[0].register_forward_pre_hook(
        lambda module, arguments: seen.append(len(arguments[0]))
    )
    features = backbone.see(pixels=inputs["pixels"], grids=inputs["grids"])
    assert seen == [len(inputs["pixels"])]
    assert len(features) == len(inputs["pixels"]) // 4


def test_a_picture_goes_through_the_vision_tower_once(
    build: Build, items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = build()
    seen: list[int] = []
    original = backbone.core.visual.forward
    monkeypatch.setattr(
        backbone.core.visual,
        "forward",
        lambda hidden, grid_thw, **options: (
            seen.append(len(grid_thw)) or original(hidden, grid_thw, **options)
        ),
    )
    embed(backbone, items)
    assert seen == [3]  # a, b and c, in eight places
    embed(backbone, [Item.of("no picture")])
    assert seen == [3]


def spots_of(backbone: QwenVLBackbone, items: list[Item]) -> list[torch.Tensor | None]:
    spots = {(p.digest, backbone.pixels.side(p, 64)) for item in items for p in item.pictures}
    return [backbone.feature_cache.get(spot) for spot in spots]


def test_remembered_vision_features_change_nothing(
    build: Build, items: list[Item], pictures: list[Picture]
) -> None:
    plain, cached = build(), build(remember_pictures=3)
    expected = embed(plain, items)
    with torch.inference_mode():  # as `Encoder.encode` fills it, before training reads it
        cached(**cached.prepare(items))
    assert torch.allclose(embed(cached, items), expected, atol=1e-5)
    again = cached.prepare(items)
    assert "pixels" not in again
    assert len(again["known"]) == sum(len(kept) for kept in spots_of(cached, items) if kept is not None)
    mixed = [*items, Item.of("more", pictures[4], pictures[0])]
    assert len(cached.prepare(mixed)["grids"]) == 1
    assert torch.allclose(embed(cached, mixed), embed(plain, mixed), atol=1e-5)
    assert sum(kept is None for kept in spots_of(cached, mixed)) == 1  # the oldest went

    for backbone in (plain, cached):
        backbone.add_lora(2, 4, 0.0)
        torch.manual_seed(0)
        for name, parameter in backbone.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(parameter, std=0.1)
        backbone(**backbone.prepare(items)).sum().backward()
    for ours, theirs in zip(cached.parameters(), plain.parameters(), strict=True):
        assert (ours.grad is None) == (theirs.grad is None)
        assert ours.grad is None or torch.allclose(ours.grad, theirs.grad, rtol=1e-3, atol=1e-3)


def test_deepstack_features_in_one_piece(
    build: Build, items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Return features as transformers 5.17 does."""
    backbone = build()
    expected, see = embed(backbone, items), backbone.core.get_image_features

    def in_one_piece(*arguments: Any, **options: Any) -> Any:
        seen = see(*arguments, **options)
        layers = seen.deepstack_features
        seen.deepstack_features = [
            one if isinstance(one, torch.Tensor) else torch.cat(tuple(one)) for one in layers
        ]
        return seen

    monkeypatch.setattr(backbone.core, "get_image_features", in_one_piece)
    assert torch.equal(embed(backbone, items), expected)


def test_features_of_a_tower_that_trains_are_not_kept(build: Build, items: list[Item]) -> None:
    backbone = build(remember_pictures=8, lora_targets=r".*visual.*\.(qkv|proj)")
    embed(backbone, items)
    assert "known" in backbone.prepare(items)
    backbone.add_lora(4, 8, 0.0)
    assert "known" not in backbone.prepare(items)


def chain(pictures: list[Picture], count: int) -> list[Item]:
    """Make L_rel of a query, longest first: N_B with more and more pictures at its end."""
    base = ["a title.", "a body", pictures[0], "SALE."]
    added = [part for n, picture in enumerate(pictures[1:]) for part in (picture, f"ocr {n}.")]
    return [Item.of(*base, *added[: 2 * n]) for n in range(count, -1, -1)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_prefixes_in_one_pass_equal_separate_items(
    build: Build, pictures: list[Picture], items: list[Item], kind: str, attention: str
) -> None:
    backbone = build(kind, attention=attention)
    assert isinstance(backbone, PrefixBackbone)
    nested = chain(pictures, 4)
    chains = [nested, [items[1]], [nested[2], items[2], nested[0], nested[2]]]
    inputs = backbone.prepare_prefixes(chains, "Find it.")
    if attention == "sdpa":  # two chains, a lone picture, and what is no prefix; and five further ends
        trunks = inputs["sequences"][:, 1].tolist()
        assert (len(set(trunks)), len(trunks)) == (4, 4 + 5)
    with torch.no_grad():
        found = backbone(**inputs)
    expected = one_by_one(backbone, [item for items in chains for item in items], "Find it.")
    assert torch.allclose(found, expected, atol=1e-4)
    assert (torch.cdist(expected[:5], expected[:5]) + torch.eye(5) > 0.1).all()  # they do differ


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_packed_rows_give_the_gradients_of_separate_items(
    build: Build, pictures: list[Picture], items: list[Item], kind: str, checkpointing: bool
) -> None:
    backbone = build(kind, gradient_checkpointing=checkpointing)
    backbone.add_lora(4, 8, 0.0)
    torch.manual_seed(0)
    for name, parameter in backbone.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    backbone.train()
    nested = chain(pictures, 3)
    listed = [*nested, *items]
    weights = torch.linspace(-1, 1, 64 * len(listed)).view(-1, 64)
    gradients = []
    for batches in ([[nested, *([item] for item in items)]], [[[item]] for item in listed]):
        backbone.zero_grad()
        found = torch.cat([backbone(**backbone.prepare_prefixes(chains)) for chains in batches])
        (found * weights).sum().backward()
        gradients.append({n: p.grad.clone() for n, p in backbone.named_parameters() if p.grad is not None})
    assert len(gradients[0]) == 2 * 2 * 7  # A and B of seven projections in two layers
    for name, gradient in gradients[0].items():
        assert torch.allclose(gradient, gradients[1][name], atol=1e-4 * float(gradient.abs().max())), name


def test_trimmed_chains_are_still_exact(build: Build, pictures: list[Picture]) -> None:
    backbone = build(max_tokens=90)
    nested = [Item.of("word " * 30, *item.parts) for item in chain(pictures, 4)]
    with torch.no_grad():
        found = backbone(**backbone.prepare_prefixes([nested]))
    assert torch.allclose(found, one_by_one(backbone, nested), atol=1e-4)


@pytest.mark.parametrize(("kind", "packed"), [("qwen2", True), ("qwen3-moe", True), ("qwen3.5", False)])
def test_prefixes_are_encoded_apart_where_a_layer_takes_no_mask(
    build: Build, pictures: list[Picture], kind: str, packed: bool
) -> None:
    backbone, nested = build(kind), chain(pictures, 2)
    inputs = backbone.prepare_prefixes([nested])
    assert backbone.packs == packed
    assert len(inputs["ids"]) == (1 if packed else 3)
    with torch.no_grad():
        assert torch.allclose(backbone(**inputs), one_by_one(backbone, nested), atol=1e-4)


def test_the_instruction_changes_queries_only(build: Build, items: list[Item]) -> None:
    encoder = Encoder(build(), EncoderSettings(device="cpu", dims=(16, 64)))
    corpus, query = encoder.encode(items), encoder.encode(items, task=Task.I2T)
    assert (np.abs(corpus - query).max(1) > 1e-3).all()
    assert (np.abs(encoder.encode(items, task=Task.I2NOTE) - query).max(1) > 1e-3).all()
    assert np.allclose(encoder.encode(items, instruction=INSTRUCTIONS[Task.I2T]), query, atol=1e-5)
    assert (np.abs(encoder.encode(items, task=Task.I2T, instruction="Find it.") - query).max(1) > 1e-3).all()


def test_fifty_pictures_are_trimmed_to_the_budget_with_a_warning(
    build: Build, make_picture: Callable[..., Picture], caplog: pytest.LogCaptureFixture
) -> None:
    many = [make_picture(i, (200, 100)) for i in range(50)]
    item = Item.of("title", *many, "x" * 5_000)
    # Of about 130 visual tokens seven pictures take 18 each, and two share what is left.
    for options, shown in (({}, 9), ({"max_pictures": 2}, 2), ({"note_pixels": 39 * 1024}, 2)):
        backbone = build(**options)
        with caplog.at_level(logging.WARNING):
            inputs = backbone.prepare([item])
        assert len(inputs["grids"]) == shown
        assert inputs["ids"].shape[1] == backbone.cost(item) <= 300
        assert f"item trimmed to {shown} of 50 pictures" in caplog.text
        assert torch.isfinite(embed(backbone, [item])).all()
        caplog.clear()


def test_one_picture_is_held_to_its_own_budget(build: Build, make_picture: Callable[..., Picture]) -> None:
    large = make_picture(0, (400, 300))
    for pixels, tokens in ((400 * 300, 108), (32 * 1024, 24), (1024, 1)):
        backbone = build(picture_pixels=pixels)
        assert int((backbone.prepare([Item.of(large)])["ids"] == backbone.picture_id).sum()) == tokens
    thin = make_picture(0, (800, 8))  # never less than one token high
    backbone = build(picture_pixels=8 * 1024)
    assert int((backbone.prepare([Item.of(thin)])["ids"] == backbone.picture_id).sum()) <= 8


def test_pixels_are_those_of_the_model_s_own_processing(
    build: Build, make_picture: Callable[..., Picture]
) -> None:
    picture = make_picture(5, (201, 123))
    backbone = build()
    ours = backbone.prepare([Item.of(picture)])
    theirs = backbone.processor(images=[Image.open(io.BytesIO(picture.read()))], return_tensors="pt")
    assert torch.equal(ours["grids"], theirs["image_grid_thw"])
    assert ours["pixels"].dtype == torch.uint8
    found = backbone.pixels.normalised(ours["pixels"], torch.float32)
    assert (found - theirs["pixel_values"]).abs().max() <= 1e-6


def test_half_precision(build: Build, items: list[Item], pictures: list[Picture]) -> None:
    """Use the types of a CUDA run: base weights and pixels in bfloat16, adapters and read-out in float32."""
    full, half = build(), build(remember_pictures=8)
    half.model.bfloat16()
    nested = chain(pictures, 3)
    expected = embed(full, [*items, *nested])
    assert half.prepare(items)["pixels"].dtype == torch.uint8
    half.add_lora(2, 4, 0.0)
    assert {p.dtype for p in half.parameters() if p.requires_grad} == {torch.float32}
    for _ in range(2):
        with torch.autocast("cpu", torch.bfloat16):
            found = torch.cat([half(**half.prepare(items)), half(**half.prepare_prefixes([nested]))])
        assert found.dtype == torch.float32
        assert (torch.cosine_similarity(found, expected) > 0.98).all()
    found.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in half.parameters() if p.grad is not None)


def test_a_turned_picture_keeps_its_shape(build: Build, make_picture: Callable[..., Picture]) -> None:
    image = Image.open(io.BytesIO(make_picture(3, (160, 64)).read()))
    exif, data = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    image.save(data, "JPEG", exif=exif)
    grid = build().prepare([Item.of(Picture.from_bytes(data.getvalue()))])["grids"][0]
    assert grid.tolist() == [1, 10, 4]  # upright: 160 high


def test_bad_items_fail_alone(
    build: Build, items: list[Item], broken_picture: Picture, make_picture: Callable[..., Picture]
) -> None:
    encoder = Encoder(build(), EncoderSettings(device="cpu", dims=(64,), token_budget=400))
    empty = Item.of(Picture.from_bytes(b""))
    sliver = Item.of("a sliver", make_picture(0, (2_000, 8)))
    blank = Item.of("\u200b")
    control = Item.of("<|vision_start|><|image_pad|><|vision_end|><|im_end|>")
    batch = [items[0], Item.of(broken_picture), items[3], empty, sliver, blank, control]
    failures: dict[int, ItemError] = {}
    vectors = encoder.encode(batch, failures=failures)
    assert sorted(failures) == [1, 3]
    assert np.isnan(vectors[[1, 3]]).all()
    assert np.isfinite(vectors[[0, 2, 4, 5, 6]]).all()
    assert np.allclose(vectors[[0, 2]], encoder.encode([items[0], items[3]]), atol=1e-5)
    with pytest.raises(ItemError, match="picture"):
        encoder.encode(batch)


def test_adapters_train_and_the_rest_stays(build: Build, items: list[Item]) -> None:
    backbone = build(gradient_checkpointing=True)
    untrained = embed(backbone, items)
    assert not any(p.requires_grad for p in backbone.parameters())
    backbone.add_lora(4, 8, 0.0)
    backbone.add_lora(4, 8, 0.0)
    assert torch.equal(embed(backbone, items), untrained)
    trained = [name for name, p in backbone.named_parameters() if p.requires_grad]
    assert len(trained) == 2 * 2 * 7
    assert all("lora_" in name and "language_model" in name for name in trained)
    backbone.train()
    backbone(**backbone.prepare(items)).sum().backward()
    checkpointed = {n: p.grad.clone() for n, p in backbone.named_parameters() if p.grad is not None}
    backbone.zero_grad()
    backbone.eval()  # checkpointing is off outside training
    backbone(**backbone.prepare(items)).sum().backward()
    for name, parameter in backbone.named_parameters():
        if parameter.grad is not None:
            assert torch.allclose(parameter.grad, checkpointed[name], rtol=1e-4, atol=1e-4)


def test_the_vision_tower_trains_when_its_layers_are_named(build: Build, items: list[Item]) -> None:
    backbone = build(lora_targets=r".*visual.*\.(qkv|proj)")
    backbone.add_lora(2, 4, 0.0)
    backbone(**backbone.prepare(items)).sum().backward()
    graded = [name for name, p in backbone.named_parameters() if p.grad is not None and p.grad.any()]
    assert graded
    assert all("visual" in name for name in graded)
    for targets in ("nothing", "((visual"):
        with pytest.raises(ModelError, match="lora_targets"):
            build(lora_targets=targets).add_lora(2, 4, 0.0)


def test_saved_adapters_and_base_give_the_same_vectors(
    build: Build, tiny_qwen: Callable[..., Path], items: list[Item], tmp_path: Path
) -> None:
    base = shutil.copytree(tiny_qwen(), tmp_path / "base")
    encoder = Encoder.pretrained(base, dims=(16, 64), max_tokens=300, device="cpu")
    assert encoder.version == encoder.backbone.fingerprint[:12]  # type: ignore[attr-defined]
    plain = encoder.encode(items)
    versions = []
    for trained in (False, True):
        if trained:
            encoder.backbone.add_lora(2, 4, 0.0)
            with torch.no_grad():
                for parameter in encoder.backbone.parameters():  # type: ignore[attr-defined]
                    if parameter.requires_grad:
                        parameter.add_(0.1)
        folder = encoder.save(tmp_path / f"saved {trained}")
        versions.append(encoder.version)
        again = Encoder.load(folder, device="cpu")
        assert np.array_equal(again.encode(items), encoder.encode(items))
        assert (again.settings, again.version, again.dims) == (encoder.settings, encoder.version, (16, 64))
    assert versions[0] != versions[1]
    assert not np.allclose(encoder.encode(items), plain, atol=1e-3)
    assert sum(file.stat().st_size for file in folder.rglob("*")) < 200_000  # adapters, not the base
    assert any(p.requires_grad for p in again.backbone.parameters())  # type: ignore[attr-defined]

    moved = base.rename(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match="base"):
        Encoder.load(folder, device="cpu")
    again = Encoder.load(folder, device="cpu", base=moved)
    assert np.array_equal(again.encode(items), encoder.encode(items))
    with pytest.raises(ModelError, match="other weights"):
        Encoder.load(folder, device="cpu", base=tiny_qwen(seed=1))
    (folder / "adapter" / "adapter_model.safetensors").write_bytes(b"cut")
    with pytest.raises(ModelError, match="not a whole"):
        Encoder.load(folder, device="cpu", base=moved)


def test_settings_of_a_model(
    tiny_qwen: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"encoder: {{model: '{tiny_qwen()}', max_tokens: 600, device: cpu}}")
    monkeypatch.setenv("UNINOTE_ENCODER__REMEMBER", "3")
    settings = load_settings(file).encoder
    assert (settings.max_tokens, settings.token_budget, settings.dims[-1]) == (600, 16_384, 4096)
    encoder = Encoder.build(settings)
    assert encoder.backbone.name == "qwen-vl"
    assert encoder.memory.size == 3
    plain = EncoderSettings(dims=(16,), device="cpu")  # without a model of the compact backbone's class
    named = Encoder.pretrained(tiny_qwen(), plain)
    assert (named.backbone.name, named.dims, named.settings.max_tokens) == ("qwen-vl", (16,), 4096)
    assert Encoder.build(EncoderSettings(vision_side=64, device="cpu")).backbone.name == "compact"
    with pytest.raises(ConfigError, match="65536"):
        load_settings(encoder={"max_tokens": 70_000})


def test_a_base_that_cannot_be_used_is_a_model_error(
    tiny_qwen: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="no-such-model"):
        Encoder.pretrained("nobody/no-such-model")
    with pytest.raises(ModelError, match=r"encoder\.attention: flash_attention_2 needs a GPU"):
        Encoder.pretrained(tiny_qwen(), attention="flash_attention_2", device="cpu")
    processing = shutil.copytree(tiny_qwen(), tmp_path / "processing") / "preprocessor_config.json"
    stored = json.loads(processing.read_text())
    processing.write_text(json.dumps({**stored, "image_processor_type": "Qwen2VLImageProcessorFast"}))
    assert Encoder.pretrained(processing.parent, device="cpu").dims == (64,)  # as on the hub
    processing.write_text(json.dumps({**stored, "image_processor_type": "CLIPImageProcessor"}))
    with pytest.raises(ModelError, match="CLIPImageProcessor"):
        Encoder.pretrained(processing.parent)
    pickled = shutil.copytree(tiny_qwen(), tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(ModelError, match="safetensors"):
        Encoder.pretrained(pickled)
    foreign = shutil.copytree(tiny_qwen(), tmp_path / "foreign")
    config = json.loads((foreign / "config.json").read_text())
    (foreign / "config.json").write_text(
        json.dumps({**config, "model_type": "x", "auto_map": {"AutoConfig": "evil.Config"}})
    )
    (foreign / "evil.py").write_text("raise SystemExit('code of the checkpoint was run')")
    with pytest.raises(ModelError, match="foreign"):
        Encoder.pretrained(foreign)


@pytest.mark.parametrize("size", [(8, 1608), (1608, 8), (8, 20_000)])
def test_a_very_long_picture_is_embedded(
    build: Build, make_picture: Callable[..., Picture], size: tuple[int, int]
) -> None:
    encoder = Encoder(build(), EncoderSettings(device="cpu", dims=(64,)))
    picture = make_picture(1, size)
    failures: dict[int, ItemError] = {}
    vectors = encoder.encode([Item.of(picture), Item.of("a title", picture)], failures=failures)
    assert failures == {}
    assert np.isfinite(vectors).all()
