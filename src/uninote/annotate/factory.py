"""Factory of annotators from settings."""

from __future__ import annotations

from pathlib import Path

from uninote.annotate.ocr_rapid import RapidOcrReader
from uninote.annotate.protocol import Describer, OcrReader
from uninote.annotate.reading import PictureReader
from uninote.errors import ConfigError
from uninote.extras import require
from uninote.settings import AnnotateSettings, CorpusSettings


def make_describer(settings: AnnotateSettings, api_key: str | None = None) -> Describer | None:
    """Make the describer of `settings`, None for "none" and "existing".

    Raises ConfigError when no model is named, MissingExtraError when its package is not installed.
    """
    if settings.describe == "openai":
        from uninote.annotate.describe_openai import OpenAIDescriber

        return OpenAIDescriber(settings.endpoint, settings.describe_model, api_key)
    if settings.describe == "transformers":
        if not settings.describe_model:
            raise ConfigError("annotate.describe_model must name a local folder or hub id")
        from uninote.annotate.describe_transformers import TransformersDescriber

        return TransformersDescriber(settings.describe_model)
    return None


def make_reader(settings: AnnotateSettings) -> OcrReader | None:
    """Make the OCR reader of `settings`, None for "none" and "existing".

    Raises MissingExtraError when its package is not installed.
    """
    if settings.ocr == "rapidocr":
        require("ocr")
        return RapidOcrReader(settings.ocr_min_score, settings.ocr_max_side)
    return None


def make_picture_reader(
    corpus: CorpusSettings, folder: Path | None = None, settings: AnnotateSettings | None = None
) -> PictureReader:
    """Make the reader of the pictures that an encoder reads; its engine is looked for at the first call.

    Args:
        folder: of the cache on disk, which `annotate_notes` shares; None for memory only.
        settings: `annotate`; its defaults if None.
    """
    chosen = settings or AnnotateSettings()
    return PictureReader(
        RapidOcrReader(chosen.ocr_min_score, chosen.ocr_max_side), corpus, folder, chosen.workers
    )
