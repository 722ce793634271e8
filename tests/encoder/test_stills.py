"""Videos sampled by rate, for models that take frames as pictures: what they would have seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from uninote.encoder import Encoder
from uninote.encoder.stills import with_stills
from uninote.items import Item, Moment, Ocr, Picture
from uninote.service.app.services import Services
from uninote.service.concurrency.loaded_models import Models
from uninote.settings import CorpusSettings, EncoderSettings


def film(count: int, seed: int, make: Callable[..., Picture]) -> list[Picture]:
    return [
        Picture.from_bytes(make(100 * seed + n).read(), frame=True, moment=Moment(n / 2, 0.5))
        for n in range(count)
    ]


def still(picture: Picture) -> Picture:
    return Picture.from_bytes(picture.read(), frame=True)


def test_frames_at_the_middle_of_equal_parts_are_left(make_picture: Callable[..., Picture]) -> None:
    one, other, plain = film(20, 1, make_picture), film(3, 2, make_picture), make_picture(9)
    read = [Ocr(f"line {n}", picture.digest) for n, picture in enumerate(one)]
    shown = [part for pair in zip(one, read, strict=True) for part in pair]
    found = with_stills(Item.of("a title", *shown, plain, *other), 4)
    kept = [part for n in (2, 7, 12, 17) for part in (still(one[n]), read[n])]
    assert found.parts == ("a title", *kept, plain, *map(still, other))
    assert with_stills(found, 2) is found


@pytest.mark.parametrize("kind", ["frames", "compact"])
def test_a_model_of_frames_sees_few_of_a_video_by_rate(
    kind: str, make_picture: Callable[..., Picture], tiny_qwen: Callable[..., Path], untrained: Encoder
) -> None:
    encoder = untrained
    if kind == "frames":
        encoder = Encoder.pretrained(tiny_qwen(), dims=(16, 64), device="cpu")
    frames = film(64, 3, make_picture)
    stills = [still(frames[n]) for n in (4, 12, 20, 28, 36, 44, 52, 60)]
    given, seen = Item.of("a title", *frames), Item.of("a title", *stills)
    assert np.array_equal(encoder.encode([given]), encoder.encode([seen]))
    prepared: Any = [encoder.backbone.prepare([item]) for item in (given, seen)]  # as in training
    assert all(np.array_equal(prepared[0][name], prepared[1][name]) for name in prepared[1])
    assert encoder.backbone.cost(given) == encoder.backbone.cost(seen)


def test_the_number_of_stills_is_that_of_even_sampling() -> None:
    assert CorpusSettings().stills == CorpusSettings().by_rate().stills == CorpusSettings().most_frames == 8
    assert CorpusSettings().by_rate().most_frames == 64
    few = CorpusSettings(max_frames=4).by_rate()
    assert few.stills == few.most_frames == 4


def test_a_service_samples_by_rate_while_a_model_takes_videos(tmp_path: Path) -> None:
    settings = {
        "a": EncoderSettings(),
        "b": EncoderSettings(model="some", video="native"),
        "c": EncoderSettings(model="some"),
    }
    models = Models(
        lambda folder: SimpleNamespace(version=folder.name, dims=(8,), settings=settings[folder.name]),  # type: ignore[arg-type, return-value]
        lambda folder: folder.name,
    )
    services: Any = SimpleNamespace(settings=SimpleNamespace(corpus=CorpusSettings()), models=models)
    corpus: Any = Services.corpus.fget  # type: ignore[attr-defined]
    rates = []
    for name in "acb":
        models.add(tmp_path / name)
        rates.append(corpus(services).frame_rate)
    models.remove("b")
    assert [*rates, corpus(services).frame_rate] == [0, 0, 2, 0]
