"""Local describer with a tiny random LLaVA, saved to a folder and loaded by the normal code."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from uninote.annotate.describe_transformers import TransformersDescriber
from uninote.errors import ModelError

TEMPLATE = (
    "{% for message in messages %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %}>"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    letters = Tokenizer(
        models.BPE(vocab={c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, merges=[])
    )
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=letters, eos_token="</s>", additional_special_tokens=["<image>"]
    )
    narrow = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(image_size=16, patch_size=8, **narrow),
        text_config=LlamaConfig(
            vocab_size=len(tokenizer),
            num_key_value_heads=2,
            initializer_range=0.5,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            **narrow,
        ),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    path = tmp_path_factory.mktemp("llava")
    torch.manual_seed(0)
    LlavaForConditionalGeneration(config).save_pretrained(path)
    LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size=16),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=TEMPLATE,
        num_additional_image_tokens=1,
    ).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    return [Image.new("RGB", (40, 30), name) for name in ("red", "blue", "green", "white", "black")]


def test_batches_equal_single_pictures(folder, pictures):
    describer = TransformersDescriber(str(folder), prompt="What?", max_new_tokens=8, batch_size=2)
    together = describer(pictures)
    assert len(together) == len(pictures)
    assert together == [describer([picture])[0] for picture in pictures]
    assert len(set(together)) > 1  # the picture matters
    assert not any("What?" in text or "<image>" in text for text in together)
    assert describer([]) == []


def test_new_tokens_are_bounded(folder, pictures):
    short = TransformersDescriber(str(folder), prompt="What?", max_new_tokens=1)(pictures[:1])[0]
    longer = TransformersDescriber(str(folder), prompt="What?", max_new_tokens=6)(pictures[:1])[0]
    assert len(short) <= 1 < len(longer)


def test_missing_model_is_a_model_error(tmp_path, pictures):
    with pytest.raises(ModelError, match="cannot be loaded"):
        TransformersDescriber(str(tmp_path / "nowhere"))(pictures)


def test_missing_package_is_a_model_error_that_names_it(folder, pictures, monkeypatch):
    def needs_torchvision(_name: str) -> None:
        raise ImportError("Qwen3VLVideoProcessor requires the Torchvision library")

    monkeypatch.setattr("transformers.AutoProcessor.from_pretrained", needs_torchvision)
    with pytest.raises(ModelError, match="torchvision"):
        TransformersDescriber(str(folder))(pictures)


def test_model_without_chat_template_is_refused(folder, pictures, tmp_path):
    for file in folder.iterdir():
        if file.name != "chat_template.jinja":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelError, match="chat template"):
        TransformersDescriber(str(tmp_path))(pictures)


def test_name_follows_model_and_prompt():
    names = {TransformersDescriber(*arguments).name for arguments in (("a",), ("b",), ("a", "Why?"))}
    assert len(names) == 3
