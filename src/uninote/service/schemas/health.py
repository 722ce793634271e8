"""Answers of the health routes."""

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


class StreamHealth(BaseModel):
    up: bool = Field(description="whether the broker answers; requests are answered without it")
    waiting: int = Field(description="messages that nobody has taken")
    pending: int = Field(description="messages taken, but not stored")


class ClusterHealth(BaseModel):
    up: bool = Field(description="whether the vector cluster answers")
    filled: bool = Field(description="whether it holds every note, but those of the lag")
    lag_rows: int = Field(description="changes not delivered to it")
    lag_seconds: float = Field(description="age of the oldest of them")


class Ready(BaseModel):
    status: Literal["ready"] = "ready"
    encoder: EncoderHealth
    gallery: GalleryHealth
    stream: StreamHealth | None = Field(None, description="where notes come from a stream as well")
    cluster: ClusterHealth | None = Field(None, description="where a vector cluster is searched")
