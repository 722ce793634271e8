"""Train the compact model that ships with the package, and write it into the source tree. See `make model`.

    python scripts/release_model.py --notes path/to/notes.jsonl

Runs, or goes on with, `uninote demo` on the notes with seed 0 in `--work`: warm-up and both stages on the
training split, measured on the test split. The last stage becomes the shipped model. What is known of the
sources (`META-*.json` beside the notes) goes into its card.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console

from uninote.evaluation.tables import Table, read_table
from uninote.pipeline.demo import run_demo
from uninote.pipeline.release import Origin, release_model
from uninote.settings import load_settings
from uninote.shipped import COMPACT, HOME

SEED = 0
AUTHORS = {
    "openstax": "OpenStax textbooks, Rice University",
    "sharepoint": "SharePoint developer documentation, Microsoft and contributors",
    "vsdocs_zh": "Visual Studio documentation in Chinese, Microsoft and contributors",
}


def origins(folder: Path) -> list[Origin]:
    """Of the `META-*.json` files in the folder of the notes."""
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
    parser.add_argument("--work", type=Path, default=Path("work/model"), help="where the run is kept")
    parser.add_argument("--out", type=Path, default=HOME / COMPACT)
    parser.add_argument(
        "--elsewhere", type=Path, default=None, help="table of benchmarks/shipped_model.py, for the card"
    )
    arguments = parser.parse_args()
    run_demo(arguments.notes, arguments.work, load_settings(seed=SEED), Console())
    folder = arguments.notes if arguments.notes.is_dir() else arguments.notes.parent
    released = release_model(
        arguments.work / "index" / "model",
        arguments.out,
        json.loads((arguments.work / "report.json").read_text("utf-8")),
        origins(folder),
        "make model NOTES=path/to/notes.jsonl",
        described(read_table(arguments.elsewhere)) if arguments.elsewhere else "",
    )
    print(f"shipped model in {released}")


if __name__ == "__main__":
    main()
