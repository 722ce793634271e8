"""Settings of the compact backbone."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from uninote.settings import EncoderSettings


class CompactSettings(EncoderSettings):
    """Options of section `encoder` for the compact backbone."""

    implementation: ClassVar[str] = "uninote.encoder.compact.backbone:CompactBackbone"

    backbone: Literal["compact"] = Field("compact", description="compact, qwen-vl, or a registered name")
    max_tokens: int = Field(128, ge=16, le=32_768, description="longest sequence of one item, at most 512")
    dims: tuple[int, ...] = Field((64, 128, 256, 384), description="Matryoshka dimensions")
    vision_side: int = Field(448, ge=32, description="side at which pictures enter the vision tower")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.max_tokens > 512:
            raise ValueError(
                "the compact backbone reads at most 512 tokens: lower max_tokens or name a model"
            )
        return self
