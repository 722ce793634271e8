"""Classes of backbones by their settings or saved name; their modules load at first use."""

from __future__ import annotations

from typing import cast

from uninote.encoder.protocol import Backbone
from uninote.lazy import resolve
from uninote.settings import EncoderSettings


def backbone_class(settings: type[EncoderSettings]) -> type[Backbone]:
    """Return the backbone that a class of settings belongs to."""
    return cast(type[Backbone], resolve(settings.implementation))
