"""OCR reader with RapidOCR (PP-OCR models, Chinese and English), whose wheel contains the models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any

import numpy as np
from PIL import Image

from uninote.errors import PictureError


@dataclass(frozen=True)
class RapidOcrReader:
    """OCR reader: text lines of pictures, from top to bottom.

    Attributes:
        min_score: lines recognised with a lower confidence (0-1) are dropped.
        max_side: longest side in pixels of the picture in which text is detected.
        threads: onnxruntime threads; 1, because the work is parallel over pictures.
    """

    min_score: float = 0.6
    max_side: int = 640
    threads: int = 1

    @property
    def name(self) -> str:
        return f"rapidocr-{version('rapidocr')}-{self.max_side}-{self.min_score}"

    def __call__(self, images: Sequence[Image.Image]) -> list[tuple[str, ...]]:
        """Read the OCR lines of RGB pictures. Raises PictureError when the engine fails on one."""
        return [self._read(image) for image in images]

    def __getstate__(self) -> dict[str, Any]:
        """Return the parameters only: each process loads its own engine."""
        return {key: getattr(self, key) for key in self.__dataclass_fields__}

    @cached_property
    def _engine(self) -> Any:
        from rapidocr import RapidOCR

        return RapidOCR(
            params={
                "Global.log_level": "critical",  # else it warns about pictures without text
                "Global.text_score": self.min_score,
                "Global.use_cls": False,
                "Det.limit_type": "max",
                "Det.limit_side_len": self.max_side,
                "EngineConfig.onnxruntime.intra_op_num_threads": self.threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": self.threads,
            }
        )

    def _read(self, image: Image.Image) -> tuple[str, ...]:
        engine = self._engine
        pixels = np.asarray(image.convert("RGB"))[:, :, ::-1]  # the engine takes BGR
        try:
            found = engine(np.ascontiguousarray(pixels))
        except Exception as error:  # the engine's errors come from OpenCV, onnxruntime and itself
            raise PictureError(f"text cannot be read: {error or type(error).__name__}") from error
        return tuple(text.strip() for text in found.txts or () if text.strip())
