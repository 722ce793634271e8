"""Train the models that ship with the package, and write them into the source tree. See `make model`.

    python scripts/release_model.py --notes path/to/notes.jsonl --name compact
    python scripts/release_model.py --notes path/to/notes.jsonl --name multilingual

Runs or resumes `uninote demo` on the notes with seed 0 in `--work`: warm-up and both stages on the training
split, the last one merged with stage 1 as the validation split says. The weights are stored as float16, and
measured so on the test split. The facts about the sources (`META-*.json` in the folder of the notes) go into
the card, with the tables that are named.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from rich.console import Console

from uninote.corpus.skips import SkipReport
from uninote.encoder.loading import load_encoder
from uninote.evaluation.copies import rereading
from uninote.evaluation.evaluate import evaluate
from uninote.evaluation.suite import build_suite
from uninote.evaluation.tables import Table, read_table
from uninote.pipeline.demo import FEATURES, run_demo
from uninote.pipeline.notes import annotate, load_notes, split
from uninote.pipeline.release import Origin, halve_weights, release_model
from uninote.settings import load_settings
from uninote.shipped import COMPACT, HOME, MULTILINGUAL

SEED = 0
TEXT_TOWERS = {COMPACT: ["minilm"], MULTILINGUAL: ["minilm", "e5-small"]}
"""Text towers by the name of the model."""
AUTHORS = {
    "openstax": "OpenStax textbooks, Rice University",
    "sharepoint": "SharePoint developer documentation, Microsoft and contributors",
    "vsdocs_zh": "Visual Studio documentation in Chinese, Microsoft and contributors",
}


def origins(folder: Path) -> list[Origin]:
    """Return the sources named by the `META-*.json` files in the folder of the notes."""
    found = []
    for file in sorted(folder.glob("META-*.json")):
        meta = json.loads(file.read_text("utf-8"))
        parts = meta.get("books") or [meta]
        repositories = tuple(f"{part['repo']}@{part['commit'][:12]}" for part in parts)
        found.append(Origin(AUTHORS.get(meta["corpus"], meta["corpus"]), meta["licence"], repositories))
    return found


def described(table: Table) -> str:
    return f"{table.note} Again: `{table.command}`.\n\n{table.markdown()}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--name", choices=TEXT_TOWERS, default=COMPACT)
    parser.add_argument("--work", type=Path, default=None, help="where the run is kept; default: work/NAME")
    parser.add_argument(
        "--tables", type=Path, nargs="*", default=[], help="JSON tables of benchmarks, for the card"
    )
    arguments = parser.parse_args()
    name, work = arguments.name, arguments.work or Path("work") / arguments.name
    settings, console = load_settings(seed=SEED, encoder={"text": TEXT_TOWERS[name]}), Console()
    report = run_demo(arguments.notes, work, settings, console)
    # As the run read them: OCR that the notes did not bring is in its cache.
    notes = load_notes(arguments.notes, settings, SkipReport())
    annotated = annotate(notes, settings, work / "cache", SkipReport(), True)
    reread = rereading(settings, work / "cache", True)
    test = build_suite(split(annotated, settings).test, SEED, reread=reread)
    rounded = work / "rounded"
    shutil.rmtree(rounded, ignore_errors=True)
    shutil.copytree(work / "index" / "model", rounded)
    halve_weights(rounded)
    encoder = load_encoder(rounded, settings, work / FEATURES)
    report["stages"]["rounded"] = evaluate(encoder, test, seed=SEED, progress=True)
    folder = arguments.notes if arguments.notes.is_dir() else arguments.notes.parent
    tables = [read_table(file) for file in arguments.tables]
    released = release_model(
        rounded,
        HOME / name,
        report,
        origins(folder),
        "make model NOTES=path/to/notes.jsonl",
        [(table.title, described(table)) for table in tables],
        share=report["dataset"]["share_of_stage_2"],
    )
    print(f"shipped model in {released}")


if __name__ == "__main__":
    main()
