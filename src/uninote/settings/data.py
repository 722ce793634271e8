"""Sections of the data: `corpus`, `annotate`, `tasks` and `negatives`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from uninote.items import VIDEO_FRAMES
from uninote.settings.section import Section

RATE, RATE_FRAMES = 2.0, 64
"""Frames a second, and most frames, of a video for models that take it as a video."""


class CorpusSettings(Section):
    """Reading, filtering and splitting notes."""

    min_likes: int = Field(0, ge=0, description="drop notes with a known like count below this")
    min_text_chars: int = Field(1, ge=0, description="drop notes whose title and body are shorter together")
    min_pictures: int = Field(1, ge=0, description="drop notes with fewer pictures")
    max_pictures: int = Field(18, ge=1, description="keep only the first pictures of a longer note")
    max_picture_bytes: int = Field(20_000_000, ge=1, description="encoded size cap of one picture")
    max_picture_pixels: int = Field(
        40_000_000,
        ge=1,
        le=178_956_970,
        description="pixel cap, checked before decoding; Pillow takes no more than 178,956,970",
    )
    min_picture_side: int = Field(8, ge=1, description="shortest side that a picture may have")
    max_frames: int = Field(8, ge=1, description="frames sampled from a video, within max_pictures")
    frame_rate: float = Field(
        0, ge=0, description="frames a second, up to max_frames, a video then counts as one picture; 0: even"
    )
    balance_per_topic: int | None = Field(None, ge=1, description="keep at most this many notes a topic")
    test_fraction: float = Field(0.2, gt=0, lt=1, description="share of the notes held out to measure on")
    validation_fraction: float = Field(0.05, ge=0, lt=1, description="share held out to choose by")

    def frames_in(self, room: int) -> int:
        """Return the most frames of a video in a note that has room for `room` more pictures."""
        return min(self.max_frames, max(room, 0) * (VIDEO_FRAMES if self.frame_rate else 1))

    def by_rate(self) -> Self:
        """Return settings that sample videos by rate: `RATE` where it is 0, `RATE_FRAMES` unless set."""
        most = self.max_frames if "max_frames" in self.model_fields_set else RATE_FRAMES
        return self.model_copy(update={"frame_rate": self.frame_rate or RATE, "max_frames": most})


class AnnotateSettings(Section):
    """Descriptions and OCR."""

    describe: Literal["none", "existing", "transformers", "openai"] = "existing"
    describe_model: str = Field("", description="local folder or hub id, or the endpoint's model name")
    endpoint: str = Field("", description="base URL of an OpenAI-compatible server, e.g. http://host:8000/v1")
    ocr: Literal["none", "existing", "rapidocr"] = "rapidocr"
    ocr_min_score: float = Field(0.6, ge=0, le=1)
    ocr_max_side: int = Field(640, ge=32, description="longest side, in pixels, at which text is detected")
    workers: int = Field(0, ge=0, description="threads that read pictures; 0 means one per core")


class TaskSettings(Section):
    """Pairs cut from notes (method, section 1)."""

    modal_replacement: bool = Field(
        True, description="the picture that finds its note is a description in it (Eq. 2); false: its pixels"
    )


class NegativeSettings(Section):
    """Hard negatives (method, section 1)."""

    per_query: int = Field(8, ge=0, description="hard negatives per query")
    band: tuple[float, float] = Field((0.90, 0.995), description="lower and upper edge of the band")
    band_unit: Literal["quantile", "similarity"] = "quantile"
    rule: bool = Field(True, description="add the counterfactual negative N minus the query picture")
    pool: int = Field(512, ge=1, description="nearest candidates considered per query")
    composite: Literal["maxsim", "whole"] = Field(
        "maxsim", description="score of a note: best of its elements (Eq. 4), or of the note as one item"
    )
