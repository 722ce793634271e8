"""Train the compact model that ships with the package, and write it into the source tree. See `make model`.

    python scripts/release_model.py --notes path/to/notes.jsonl

Runs or resumes `uninote demo` on the notes with seed 0 in `--work`: warm-up and both stages on the training
split. The shipped model interpolates between the warmed-up model and that of the last stage. The validation
split chooses how far; the test split measures the result. The facts about the sources (`META-*.json` in the
folder of the notes) go into its card.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console

from uninote.corpus.skips import SkipReport
from uninote.encoder.loading import load_encoder
from uninote.evaluation.evaluate import evaluate
from uninote.evaluation.suite import build_suite
from uninote.evaluation.tables import Table, read_table
from uninote.pipeline.demo import FEATURES, run_demo
from uninote.pipeline.notes import annotate, load_notes, split
from uninote.pipeline.release import Origin, release_model
from uninote.pipeline.soup import best_merge
from uninote.settings import load_settings
from uninote.shipped import COMPACT, HOME

SEED = 0
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
    parser.add_argument("--work", type=Path, default=Path("work/model"), help="where the run is kept")
    parser.add_argument("--out", type=Path, default=HOME / COMPACT)
    parser.add_argument(
        "--elsewhere", type=Path, default=None, help="table of benchmarks/shipped_model.py, for the card"
    )
    arguments = parser.parse_args()
    settings, console = load_settings(seed=SEED), Console()
    work, skips = arguments.work, SkipReport()
    report = run_demo(arguments.notes, work, settings, console)
    # As the run read them: OCR that the notes did not bring is in its cache.
    annotated = annotate(load_notes(arguments.notes, settings, skips), settings, work / "cache", skips, True)
    notes = split(annotated, settings)
    validation, test = (build_suite(part, SEED) for part in (notes.validation, notes.test))
    (warmed,), last = work.glob("state/*/model-warmup"), work / "index" / "model"
    features, merged = work / FEATURES, work / "merged"
    best, means = best_merge(warmed, last, validation, settings, features, merged)
    for share, mean in means.items():
        console.print(f"{share:.0%} of the way: {100 * mean:.1f} on the validation notes")
    encoder = load_encoder(merged, settings, features)
    report["stages"]["merged"] = evaluate(encoder, test, seed=SEED, progress=True)
    folder = arguments.notes if arguments.notes.is_dir() else arguments.notes.parent
    released = release_model(
        merged,
        arguments.out,
        report,
        origins(folder),
        "make model NOTES=path/to/notes.jsonl",
        described(read_table(arguments.elsewhere)) if arguments.elsewhere else "",
        share=best,
    )
    print(f"shipped model in {released}")


if __name__ == "__main__":
    main()
