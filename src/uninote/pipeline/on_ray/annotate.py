"""Descriptions and OCR on the cluster; cache and result stay with the driver. It loads no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from uninote.annotate.describe_openai import OpenAIDescriber
from uninote.annotate.protocol import Describer, OcrReader
from uninote.annotate.spread import Outcome, run_batch
from uninote.items import Picture
from uninote.pipeline.on_ray.actors import over_cluster, resources
from uninote.pipeline.on_ray.shared import require_folders
from uninote.settings import CorpusSettings


def annotate_batches(
    batches: Sequence[list[Picture]], annotator: Describer | OcrReader, settings: CorpusSettings
) -> Iterator[Outcome]:
    """Run `run_batch` on the cluster; a `Spread` for `annotate_notes`.

    A remote describer runs in this process: its server does the work, and its key stays on this machine.
    """
    if isinstance(annotator, OpenAIDescriber):
        return (run_batch(batch, annotator, settings) for batch in batches)
    share = resources(getattr(annotator, "device", "cpu"))  # readers have none: they run on cores
    return over_cluster(_Annotate(annotator, settings), batches, share)


@dataclass(frozen=True)
class _Annotate:
    annotator: Describer | OcrReader
    settings: CorpusSettings

    def __call__(self, batch: list[Picture]) -> Outcome:
        require_folders(batch)
        return run_batch(batch, self.annotator, self.settings)
