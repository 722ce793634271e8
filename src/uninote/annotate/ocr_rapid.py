"""OCR reader with RapidOCR (PP-OCR models, Chinese and English), whose wheel contains the models."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from uninote.annotate.tiles import MOST, joined, spans
from uninote.errors import MissingExtraError, PictureError, reason_of
from uninote.extras import require

_RULES, _DENSE_RULES = 2, 3
"""Versions of the rules of this file, the second above `_DENSE`; raise them with every change of the lines
that are read."""
_DENSE = 1000  # pixels: the longest side up to which the engine's own limit of boxes, 1,000, is never reached
_BOXES = 10_000  # of one tile: beyond its limit, the engine would leave out those at the top
_SIDE, _SHORT = 2000, 30  # pixels: the longest side of a picture or tile, and the shortest side
_HEIGHT, _WIDTH = 48, 160  # pixels of the recogniser's input; a longer line is wider
_LINES = 1000  # of one picture; those below are left out

Pixels = NDArray[np.uint8]
_loading = Lock()
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RapidOcrReader:
    """OCR reader: text lines of pictures, from top to bottom. Threads may share it.

    A picture without text costs the detector only. A long one is read in tiles (see `tiles`). Each line is
    recognised on its own: that is as fast on a CPU as in batches, and its text depends on no other line.

    Attributes:
        min_score: lines recognised with a lower confidence (0-1) are dropped.
        max_side: longest side in pixels of the picture, or tile, in which text is detected.
        threads: onnxruntime threads; 1, because the work is parallel over pictures.
    """

    min_score: float = 0.6
    max_side: int = 640
    threads: int = 1

    @property
    def name(self) -> str:
        """Namespace of its lines in caches. Raises MissingExtraError when the engine is not installed."""
        try:
            engine = version("rapidocr")
        except PackageNotFoundError:
            _require_engine()
            raise
        rules = _DENSE_RULES if self.max_side > _DENSE else _RULES
        return f"rapidocr-{engine}-rules{rules}-{self.max_side}-{self.min_score}"

    def __call__(self, images: Sequence[Image.Image]) -> list[tuple[str, ...]]:
        """Read the OCR lines of RGB pictures.

        Raises PictureError when the engine fails on one, MissingExtraError when it is not installed.
        """
        with _loading:
            engine = self._engine
        return [self._read(engine, image) for image in images]

    def __getstate__(self) -> dict[str, Any]:
        """Return the parameters only: each process loads its own engine."""
        return {key: getattr(self, key) for key in self.__dataclass_fields__}

    @cached_property
    def _engine(self) -> Any:
        _require_engine()
        from rapidocr import RapidOCR

        return RapidOCR(
            params={
                "Global.log_level": "critical",  # else it warns about pictures without text
                "Det.limit_type": "max",
                "Det.limit_side_len": self.max_side,
                "Det.max_candidates": _BOXES,
                "EngineConfig.onnxruntime.intra_op_num_threads": self.threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": self.threads,
            }
        )

    def _read(self, engine: Any, image: Image.Image) -> tuple[str, ...]:
        try:
            lines = [_recognise(engine, crop) for crop in self._crops(engine, image)]
        except Exception as error:  # the engine's errors come from OpenCV, onnxruntime and itself
            raise PictureError(f"text cannot be read: {reason_of(error)}") from error
        return tuple(text.strip() for text, score in lines if score >= self.min_score and text.strip())

    def _crops(self, engine: Any, image: Image.Image) -> list[Pixels]:
        """Return the pixels of the picture's lines, from top to bottom."""
        pixels = _scaled(image.convert("RGB"), self.max_side)
        height, width = pixels.shape[:2]
        down = height > width
        tiles = []
        for start, end in spans(max(height, width), min(height, width), self.max_side):
            tile = pixels[start:end] if down else pixels[:, start:end]
            padded: dict[str, Any] = {}  # a wide tile gets space above and below
            found = _detect(engine, np.ascontiguousarray(tile), padded)
            moved = (0, start) if down else (start, 0)
            tiles.append([box - (0, padded["padding_1"]["top"]) + moved for box in found])
        boxes = joined(tiles)
        if not boxes:
            return []
        if len(boxes) > _LINES:
            log.warning("of %d lines in a picture the first %d are read", len(boxes), _LINES)
        ordered = engine.text_det.sorted_boxes(np.stack(boxes).astype(np.float32))[:_LINES]
        return list(engine.crop_text_regions(pixels, ordered))


def _require_engine() -> None:
    try:
        require("ocr")
    except MissingExtraError as error:
        raise MissingExtraError(
            f"{reason_of(error)}; or set encoder.read=given, so that only texts that notes bring are used"
        ) from error


def _scaled(image: Image.Image, max_side: int) -> Pixels:
    """Return the picture as the engine takes it: uint8 [height, width, BGR].

    It is shrunk so that it, or a tile of a long one, has a longest side of 2,000 pixels, or of `max_side` if
    that is more. One less than 30 pixels high or wide is enlarged.
    """
    short, long = sorted(image.size)
    (start, end), *_ = spans(long, short, max_side)
    larger = min(_SHORT / short, MOST * max_side / long)
    scale = larger if larger > 1 else min(1.0, max(_SIDE, max_side) / (end - start))
    if scale != 1:
        image = image.resize([max(1, round(scale * side)) for side in image.size], Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(image)[:, :, ::-1])


def _detect(engine: Any, tile: Pixels, padded: dict[str, Any]) -> Any:
    """Return the boxes of text in a tile, none without text. `padded` gets the space that was added."""
    from rapidocr.main import RapidOCRError

    try:
        return engine.detect_and_crop(tile, padded)[1].boxes
    except RapidOCRError:  # no text
        padded.setdefault("padding_1", {"top": 0})
        return []


def _recognise(engine: Any, crop: Pixels) -> tuple[str, float]:
    """Return the text of a line and its confidence (0-1)."""
    recogniser = engine._load_rec_model()
    width = max(_WIDTH, -(-_HEIGHT * crop.shape[1] // (8 * crop.shape[0])) * 8)
    line = recogniser.resize_norm_img(crop, width / _HEIGHT)[np.newaxis]
    (found,), _ = recogniser.postprocess_op(recogniser.session(line))
    text, score = found
    return str(text), float(score)
