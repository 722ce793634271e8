"""Benchmark of the input pipeline: its sides prepare the same pictures."""

from __future__ import annotations

import io

from PIL import Image

from uninote.items import Picture


def red() -> Picture:
    data = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(data, "PNG")
    return Picture.from_bytes(data.getvalue())


def test_both_ways_of_the_input_pipeline_prepare_the_pictures(script):
    work = script("input_pipeline").Work([red(), red()])
    assert work.tokens == 2 * 4
    work.simple()
    work.pipeline(2, 2.0)()
