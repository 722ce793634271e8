"""Settings of the Qwen-VL backbone."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from uninote.settings import EncoderSettings

LAYERS = r".*language_model.*\.(q|k|v|o|gate|up|down)_proj"


def _switch(value: Any) -> Any:
    """Return true or false for the words, as an environment variable has them."""
    return {"true": True, "false": False}.get(str(value).lower(), value)


class QwenSettings(EncoderSettings):
    """Options of section `encoder` for models of the Qwen-VL family."""

    implementation: ClassVar[str] = "uninote.encoder.qwen.backbone:QwenVLBackbone"

    changeable: ClassVar[frozenset[str]] = EncoderSettings.changeable | {
        "attention",
        "decoders",
        "gradient_checkpointing",
        "lora_targets",
        "remember_pictures",
    }

    backbone: Literal["qwen-vl"] = "qwen-vl"
    model: str = Field("", description="a Qwen-VL model, local folder or hub id")
    max_tokens: int = Field(4096, ge=16, le=32_768, description="longest sequence of one item")
    token_budget: int = Field(16_384, ge=64, description="tokens in one encoding batch")
    max_pictures: int = Field(12, ge=1, description="pictures of one item that are read")
    picture_pixels: int = Field(262_144, ge=1024, description="largest area of one picture")
    note_pixels: int = Field(2_097_152, ge=1024, description="area of all pictures of one item")
    video: Literal["frames", "native"] = Field(
        "frames",
        description="frames: pictures of their own; native: a video as the model's processor takes it",
    )
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = Field(
        "auto", description="auto: SDPA, with flash attention in the vision tower where installed"
    )
    gradient_checkpointing: Annotated[Literal["auto", True, False], BeforeValidator(_switch)] = Field(
        "auto",
        description="less memory in training, more time; auto: where the estimate says that it is needed",
    )
    lora_targets: str = Field(LAYERS, description="regular expression over layer names")
    remember_pictures: int = Field(
        0, ge=0, description="pictures whose vision features are kept while the tower is frozen"
    )
    decoders: int | None = Field(
        None,
        ge=1,
        le=256,
        description="threads that decode pictures; default: the cores that the model leaves",
    )
