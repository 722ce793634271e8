"""Schedule, bodies and report of a load, each by itself."""

from __future__ import annotations

import json

import numpy as np
import pytest

from uninote.errors import ConfigError
from uninote.items import Note, Picture
from uninote.loadtest.bodies import bodies
from uninote.loadtest.client import LOST, Target
from uninote.loadtest.load import Answers
from uninote.loadtest.report import Limits, report
from uninote.loadtest.schedule import schedule


def test_fixed_arrivals_are_even_and_poisson_ones_independent() -> None:
    assert schedule(10, 1, "fixed") == pytest.approx(np.arange(10) / 10)
    due = schedule(1000, 20, "poisson", seed=1)
    gaps = np.diff(due)
    assert len(due) == pytest.approx(20_000, rel=0.05)
    assert (gaps > 0).all()
    assert due[-1] < 20
    # Exponential gaps have a standard deviation as large as their mean.
    assert gaps.std() / gaps.mean() == pytest.approx(1, abs=0.05)
    assert (schedule(1000, 20, "poisson", seed=1) == due).all()


@pytest.mark.parametrize(("rate", "seconds"), [(0, 1), (1, 0), (float("nan"), 1), (1e9, 1)])
def test_impossible_loads_are_refused(rate: float, seconds: float) -> None:
    with pytest.raises(ConfigError):
        schedule(rate, seconds, "fixed")


def test_latency_counts_from_when_a_request_was_due() -> None:
    # One stall of a second: a closed loop would count one slow request, an open one counts all that waited.
    due = np.arange(100) / 100
    done = np.maximum(due, 1.0) + 0.001
    found = report(Answers(due, due, done, np.full(100, 200)))
    assert found.latency_ms["p50"] == pytest.approx(1000 * (1.001 - np.median(due)), abs=1e-3)
    assert found.latency_ms["max"] == pytest.approx(1001)
    assert sum(count for _, count in found.histogram) == 100
    assert found.drops == 0


def test_what_was_not_answered_with_success_is_a_drop() -> None:
    due = np.arange(10) / 10
    status = np.array([200] * 6 + [429, 500, LOST, LOST])
    found = report(Answers(due, due, due + 0.01, status))
    assert (found.ok, found.busy, found.errors, found.lost) == (6, 1, 1, 2)
    assert found.drops == pytest.approx(0.4)
    assert found.breaches(Limits(p99_ms=20, drops=0.4)) == []
    late, dropped = found.breaches(Limits(p99_ms=5, drops=0.39))
    assert "p99" in late
    assert "40.0000%" in dropped
    assert "▏" in found.text() or "█" in found.text()
    json.dumps(found.as_json())


def test_without_any_success_every_latency_limit_is_passed() -> None:
    found = report(Answers(np.zeros(2), np.zeros(2), np.ones(2), np.full(2, LOST)))
    assert len(found.breaches(Limits(p99_ms=1e9, drops=0))) == 2


def test_no_two_bodies_are_alike_and_pictures_travel() -> None:
    notes = [Note("a", title="tea", body='say "hi"', pictures=(Picture.from_bytes(b"bytes"),), lang="en")]
    make = bodies("notes", notes, "run")
    first, second = json.loads(make(0)), json.loads(make(1))
    assert (first["id"], second["id"]) == ("stress-run-0", "stress-run-1")
    assert (first["title"], first["body"]) == ("tea run 0", 'say "hi"')
    assert first["pictures"] == [{"data": "Ynl0ZXM=", "description": "", "ocr": None}]
    assert first["title"] != second["title"]
    (looked,) = json.loads(bodies("match", notes, "run")(3))["notes"]
    assert "id" not in looked
    third = json.loads(bodies("notes", notes, "run", batch=3)(2))["notes"]
    assert [one["id"] for one in third] == ["stress-run-6", "stress-run-7", "stress-run-8"]
    assert json.loads(bodies("search", [], "run")(7))["query"]["text"].endswith("run 7")
    assert len(json.loads(bodies("notes", [], "run")(0))["body"].split()) == 30


@pytest.mark.parametrize("url", ["ftp://x", "localhost:80", "http://", "http://h:99999"])
def test_bad_addresses_are_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        Target.of(url, "/v1/notes", "key")


def test_an_address_may_have_a_path_of_its_own() -> None:
    request = Target.of("http://host:81/behind/", "/v1/notes", "secret").request(b"{}")
    assert request.startswith(b"POST /behind/v1/notes HTTP/1.1\r\nHost: host:81\r\n")
    assert "secret" not in repr(Target.of("http://host", "/", "secret"))
