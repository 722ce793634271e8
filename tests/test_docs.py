"""Documentation against the code: options, commands, names and the Python examples."""

from __future__ import annotations

import ast
import json
import re
import runpy
import subprocess
import sys
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

import uninote
from uninote.backbones import BACKBONES
from uninote.cli import app
from uninote.sample.notes import write_sample
from uninote.settings import RlAblations, Settings, SftAblations, encoder_class, load_settings

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "uninote"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLE = ROOT / "docs" / "config.example.yaml"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def command_lines() -> list[tuple[str, str]]:
    """Yield (page, line) of every `uninote` call in a shell block, with lines joined and comments dropped."""
    return [
        (page.name, line.partition(" #")[0])
        for page in PAGES
        for block in blocks(page, "sh")
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("uninote ")
    ]


def test_the_example_file_holds_every_option_at_its_default() -> None:
    assert yaml.safe_load(EXAMPLE.read_text("utf-8")) == Settings().model_dump(mode="json")
    assert load_settings(EXAMPLE).model_dump() == Settings().model_dump()


def test_the_example_file_holds_every_option_of_the_other_backbones() -> None:
    lines = EXAMPLE.read_text("utf-8").splitlines()
    first = lines.index("# encoder:")
    block = "\n".join(line.removeprefix("# ") for line in lines[first : lines.index("", first)])
    found = yaml.safe_load(block)
    own = encoder_class(found["encoder"]["backbone"])
    assert found["encoder"] == own().model_dump(mode="json")
    assert load_settings(None, **found).encoder == own()
    assert set(BACKBONES) == {"compact", own().backbone}


def test_the_example_file_describes_options_in_the_words_of_the_settings() -> None:
    written = EXAMPLE.read_text("utf-8")
    sections = [type(getattr(Settings(), name)) for name in Settings.model_fields if name != "seed"]
    sections += [*map(encoder_class, BACKBONES), SftAblations, RlAblations]
    for section in sections:
        for name, field in section.model_fields.items():
            assert (field.description or "") in written, f"{section.__name__}.{name}: {field.description}"


@pytest.mark.parametrize(("page", "line"), command_lines())
def test_every_command_and_option_exists(page: str, line: str) -> None:
    command: Any = typer.main.get_command(app)
    words = line.split()[1:]
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    assert not hasattr(command, "commands"), f"{page}: no such command: {line}"
    known = {name for parameter in command.params for name in parameter.opts}
    used = {word for word in words if re.match(r"--?[a-z]", word)}
    assert used <= known, f"{page}: {line}"
    for assignment in re.findall(r"--set (\S+)=", line):
        *path, field = assignment.split(".")
        assert field in type(attrgetter(".".join(path))(Settings())).model_fields


def test_the_readme_names_every_command() -> None:
    command: Any = typer.main.get_command(app)
    readme = PAGES[0].read_text("utf-8")
    assert [name for name in command.commands if f"uninote {name}" not in readme] == []


@pytest.mark.slow
def test_the_python_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_sample(tmp_path / "sample", 6)
    write_sample(tmp_path / "held-out", 2, seed=1)
    shortened = {"SFT__STEPS": 1, "SFT__BATCH_SIZE": 2, "RL__STEPS": 1, "RL__BATCH_SIZE": 2, "RL__NOISE": 2}
    for name, value in shortened.items():
        monkeypatch.setenv(f"UNINOTE_{name}", str(value))
    monkeypatch.setenv("UNINOTE_STORE__ADDRESS", "memory")
    code = "\n".join(blocks(PAGES[0], "python"))
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    assert sum(re.match(r"-?[01]\.\d{3}  sample-\d{4}$", line) is not None for line in printed) == 5
    assert 0 <= float(printed[-1]) <= 1
    assert names["encoder"].version == uninote.Encoder.load("model").version


def test_every_public_name_loads_and_importing_the_package_is_light() -> None:
    assert all(getattr(uninote, name) is not None for name in uninote.__all__)
    assert set(uninote.__all__) <= set(dir(uninote))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        uninote.nothing  # noqa: B018
    script = (
        "import sys, uninote; print({'torch', 'numpy', 'pydantic'} & set(sys.modules), uninote.__version__)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["set()", uninote.__version__]


def test_names_in_the_paper_map_exist() -> None:
    text = (ROOT / "docs" / "paper-map.md").read_text("utf-8")
    named = re.findall(r"`([\w/]+)\.py:(\w+)`", text)
    tests = re.findall(r"`([\w/]*test_\w+\.py)`", text)
    assert len(named) > 30
    assert len(tests) > 30
    for module, name in named:
        assert hasattr(import_module(f"uninote.{module.replace('/', '.')}"), name), f"{module}.py:{name}"
    assert [name for name in tests if not (ROOT / "tests" / name).is_file()] == []


def test_the_site_leads_to_every_page() -> None:
    def named(entry: Any) -> list[str]:
        if isinstance(entry, str):
            return [entry]
        inner = entry.values() if isinstance(entry, dict) else entry
        return [name for one in inner for name in named(one)]

    found = named(yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"])
    assert len(found) == len(set(found))
    written = {page.name for page in (ROOT / "docs").glob("*.md")}
    made = {name for name in found if name == "index.md" or name.startswith("reference/")}
    assert set(found) == written | made
    hooks = (ROOT / "scripts" / "docs_site.py").read_text("utf-8")
    assert [name for name in made if f'"{name}":' not in hooks] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"(?<!!)\[[^\]]+\]\(([^)#]+)\)", page.read_text("utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).is_file()] == []


def test_the_reference_of_the_service_lists_every_route_with_its_role() -> None:
    paths = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))["paths"]
    roles = {
        f"{method.upper()} {path}": operation.get("x-role", "public")
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    page = (ROOT / "docs" / "service-reference.md").read_text("utf-8")
    rows = re.findall(r"^\| `([A-Z]+ /[^`]*)` \| (?:`(\w+)`|no key) \|", page, re.MULTILINE)
    assert {route: role or "public" for route, role in rows} == roles
    assert len(rows) == len(roles)


DESIGN = (ROOT / "docs" / "design.md").read_text("utf-8")


def test_the_files_and_names_of_the_design_page_exist() -> None:
    prose = re.sub(r"^```.*?^```", "", DESIGN, flags=re.MULTILINE | re.DOTALL)
    named = re.findall(r"`((?:[\w.-]+/)*[\w.-]+\.(?:py|sql|yaml))(?::(\w+))?`", prose)
    assert len(named) > 35
    missing = []
    for path, name in named:
        file = next((one for one in (SOURCE / path, ROOT / path) if one.is_file()), None)
        text = "" if file is None else file.read_text("utf-8")
        if file is None or (
            name
            and not re.search(rf"^(?:(?:async )?(?:def|class) {name}\b|{name}\b.* = )", text, re.MULTILINE)
        ):
            missing.append(f"{path}:{name}")
    assert missing == []


def test_the_tree_of_the_design_page_has_every_folder() -> None:
    written = set()
    for block in blocks(ROOT / "docs" / "design.md", "text"):
        top, *lines = block.splitlines()
        path = [(-1, top.strip().rstrip("/"))]
        for line in lines:
            indent, name = len(line) - len(line.lstrip()), line.split()[0]
            while path[-1][0] >= indent:
                path.pop()
            place = f"{path[-1][1]}/{name.rstrip('/')}"
            assert len(line.split()) > 1, f"{place} has no description"
            if name.endswith("/"):
                path.append((indent, place))
                written.add(place)
            else:
                assert (ROOT / place).is_file(), place
    found = {
        one.relative_to(ROOT).as_posix()
        for one in SOURCE.rglob("*")
        if one.is_dir() and any(inner.is_file() and inner.suffix != ".pyc" for inner in one.rglob("*"))
    }
    assert written == found


def test_the_life_of_a_note_has_twelve_steps() -> None:
    life = DESIGN.partition("## The life of a note")[2].partition("\n## ")[0]
    assert [int(number) for number in re.findall(r"^(\d+)\. ", life, re.MULTILINE)] == list(range(1, 13))


def test_the_picture_of_the_architecture_is_what_its_script_draws() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "architecture.py"))
    assert script["FILE"].read_text("utf-8") == script["draw"]()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_every_page_imports_names_that_exist(page: Path) -> None:
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("uninote"):
                module = import_module(node.module or "")
                for alias in node.names:
                    if not hasattr(module, alias.name):
                        import_module(f"{node.module}.{alias.name}")
