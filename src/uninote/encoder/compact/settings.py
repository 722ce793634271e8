"""Settings of the compact backbone."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from uninote.settings import EncoderSettings

Pooling = Literal["mean", "kinds", "gate", "both", "attention"]
Read = Literal["all", "given", "none"]


class CompactSettings(EncoderSettings):
    """Options of section `encoder` for the compact backbone."""

    implementation: ClassVar[str] = "uninote.encoder.compact.backbone:CompactBackbone"

    backbone: Literal["compact"] = Field("compact", description="compact, qwen-vl, or a registered name")
    text: tuple[str, ...] = Field(
        ("minilm",),
        min_length=1,
        description="towers of texts, side by side: minilm, e5-small, a local folder or a hub id",
    )
    vision: str = Field("efficientnet", description="tower of pictures: efficientnet, a folder or a hub id")
    precision: Literal["fp32", "int8"] = Field("fp32", description="weights of the text towers on a CPU")
    read: Read = Field(
        "all",
        description="text in pictures; all: read where the note does not bring it; given: only what the note "
        "brings; none: pictures are pixels only",
    )
    pooling: Pooling = Field(
        "both",
        description="of the elements of an item: mean, weights by kind, gate, kinds and gate, or attention",
    )
    layers: int = Field(1, ge=1, le=4, description="layers of attention, for the pooling of that name")
    max_tokens: int = Field(8192, ge=64, le=65_536, description="longest item; what is beyond is cut")
    chunk: int = Field(
        350, ge=50, le=2000, description="characters of a text element; a CJK one counts three"
    )
    dims: tuple[int, ...] = Field((64, 128, 256, 384), description="Matryoshka dimensions")
    vision_side: int = Field(448, ge=32, description="side at which pictures enter the efficientnet tower")

    @field_validator("text", mode="before")
    @classmethod
    def _one_or_more(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value
