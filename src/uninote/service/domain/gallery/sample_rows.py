"""Validation of new gallery samples, and the columns of their rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from numpy.typing import ArrayLike
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from uninote.items import Item
from uninote.service.db.gallery_tables import SAMPLE_KINDS, Sample, SamplePicture
from uninote.service.db.note_tables import ModelVersion
from uninote.service.domain.base import payload
from uninote.service.domain.base.text import MAX_NAME, check_words, storable_item
from uninote.service.domain.base.vectors import float16_unit
from uninote.service.errors import InvalidError


@dataclass(frozen=True)
class NewSample:
    """A sample to add: its content, its vector per model version, and its settings.

    allow: whether it is on the allow-list, see `rules.hits`.
    source_note: id of the stored note that it is made from; forgetting that note deletes the sample.
    """

    category: str
    kind: str
    item: Item
    vectors: Mapping[str, ArrayLike]
    label: str = ""
    comment: str = ""
    allow: bool = False
    disabled_until: datetime | None = None
    source_note: str | None = None


def check_sample(sample: NewSample, models: Mapping[str, ModelVersion], active: str | None) -> None:
    """Raise InvalidError or VectorError for a sample that cannot be stored."""
    if sample.kind not in SAMPLE_KINDS:
        raise InvalidError(f"kind {sample.kind!r} is none of {', '.join(SAMPLE_KINDS)}")
    check_words("a label", sample.label, MAX_NAME)
    check_words("a comment", sample.comment)
    if sample.disabled_until is not None and sample.disabled_until.utcoffset() is None:
        raise InvalidError("disabled_until needs a time zone; add Z or an offset")
    if not storable_item(sample.item):
        raise InvalidError("a text has a NUL character or a lone surrogate; replace it by U+FFFD")
    if active is None or active not in sample.vectors:
        raise InvalidError(f"the vector of the active model version {active!r} is missing")
    for version, vector in sample.vectors.items():
        if version in models:
            float16_unit(vector, models[version].dim)


def identity_of(sample: NewSample | Sample) -> tuple[str, str, str, bool]:
    """Return the unique key of a sample: category, kind, content key, allow-list."""
    key = sample.item.key if isinstance(sample, NewSample) else sample.content_key
    return sample.category, sample.kind, key, sample.allow


def sample_row(sample: NewSample, actor: str) -> dict[str, Any]:
    """Return the columns of a new sample's row."""
    return {
        "category": sample.category,
        "kind": sample.kind,
        "label": sample.label,
        "comment": sample.comment,
        "allow": sample.allow,
        "enabled": True,
        "disabled_until": sample.disabled_until,
        "content_key": sample.item.key,
        "payload": payload.item_payload(sample.item),
        "source_note": sample.source_note,
        "actor": actor,
    }


def shown_digests(session: Session, *conditions: ColumnElement[bool]) -> list[str]:
    """Return the digests of the pictures of the selected samples."""
    query = select(SamplePicture.digest).join(Sample, Sample.id == SamplePicture.sample_id)
    return list(session.scalars(query.where(*conditions).distinct()))
