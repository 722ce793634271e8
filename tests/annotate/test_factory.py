"""Factory of annotators from settings."""

import pytest

from uninote.annotate.describe_openai import OpenAIDescriber
from uninote.annotate.describe_transformers import TransformersDescriber
from uninote.annotate.factory import make_describer, make_reader
from uninote.annotate.ocr_rapid import RapidOcrReader
from uninote.errors import ConfigError
from uninote.settings import AnnotateSettings


def test_each_setting_makes_its_annotator():
    endpoint = AnnotateSettings(describe="openai", endpoint="http://host/v1", describe_model="m")
    assert make_describer(endpoint, "key") == OpenAIDescriber("http://host/v1", "m", "key")
    local = AnnotateSettings(describe="transformers", describe_model="folder")
    assert make_describer(local) == TransformersDescriber("folder")
    assert make_describer(AnnotateSettings(describe="existing")) is None
    settings = AnnotateSettings(ocr="rapidocr", ocr_min_score=0.7, ocr_max_side=512)
    assert make_reader(settings) == RapidOcrReader(0.7, 512)
    assert make_reader(AnnotateSettings(ocr="none")) is None


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (AnnotateSettings(describe="openai", describe_model="m"), "annotate.endpoint"),
        (
            AnnotateSettings(describe="openai", endpoint="file:///etc", describe_model="m"),
            "annotate.endpoint",
        ),
        (AnnotateSettings(describe="openai", endpoint="http://host"), "annotate.describe_model"),
        (AnnotateSettings(describe="transformers"), "annotate.describe_model"),
    ],
)
def test_missing_settings_are_named(settings, named):
    with pytest.raises(ConfigError, match=named):
        make_describer(settings)
