"""Operations page and alerts: the metrics, settings and log events that they name exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from uninote.service.telemetry.metrics import Metrics
from uninote.settings import Settings

TABLES = {("service", "vectors"), ("service", "api_keys"), ("service", "outbox")}
ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
ALERTS: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "prometheus-alerts.yaml").read_text("utf-8"))
SOURCES = [file.read_text("utf-8") for file in (ROOT / "src" / "uninote" / "service").rglob("*.py")]


def metrics() -> set[str]:
    """Return the names in Prometheus: counters, histograms, and the gauges that parts of the service add."""
    made = {sample.name for family in Metrics().registry.collect() for sample in family.samples}
    made |= {name for family in Metrics().registry.collect() for name in _names(family)}
    gauges = {name for text in SOURCES for name in re.findall(r'\.gauge\(\s*"(\w+)"', text)}
    assert len(gauges) >= 10
    return made | {f"uninote_{name}" for name in gauges}


def _names(family: Any) -> list[str]:
    """Return the sample names of a family; one with labels has no samples before its first use."""
    ends = {"counter": ("_total",), "histogram": ("", "_bucket", "_sum", "_count")}
    return [family.name + end for end in ends.get(family.type, ("",))]


def test_every_metric_of_the_page_and_of_the_alerts_exists() -> None:
    named = set(re.findall(r"\buninote_\w+", PAGE))
    rules = ALERTS["groups"][0]["rules"]
    used = {name for rule in rules for name in re.findall(r"\buninote_\w+", rule["expr"])}
    assert len(named) > 15
    assert named | used <= metrics()
    assert set(re.findall(r"`(Uninote\w+)`", PAGE)) == {rule["alert"] for rule in rules}


def test_every_setting_and_log_event_of_the_page_exists() -> None:
    sections = {name: type(getattr(Settings(), name)) for name in Settings.model_fields if name != "seed"}
    named = re.findall(rf"`({'|'.join(sections)})\.(\w+)", PAGE)
    assert len(named) > 8
    for section, field in named:
        logged = any(f'"{section}.{field}"' in text for text in SOURCES)
        assert field in sections[section].model_fields or (section, field) in TABLES or logged, field
