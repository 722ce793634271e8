"""What the health routes answer."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Live(BaseModel):
    status: Literal["live"] = "live"


class GalleryHealth(BaseModel):
    revision: int = Field(description="grows with every change of models, categories, thresholds and samples")
    age_seconds: float = Field(description="since the gallery in memory was last compared with the database")


class EncoderHealth(BaseModel):
    version: str
    seconds: float = Field(description="of the forward pass that was made to answer")
    queue_items: int


class Ready(BaseModel):
    status: Literal["ready"] = "ready"
    encoder: EncoderHealth
    gallery: GalleryHealth
