"""Dataset card: the configurations as YAML for the hub, then tasks, use and limits for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from uninote.mteb.parts import COLUMN, PICTURES

SIDES = ("corpus", "queries", "qrels")

_USE = """\
## Use

```sh
pip install 'uninote[mteb]'
```

```python
import mteb
from uninote.mteb import MtebModel, tasks

mine = tasks("FOLDER")                               # or the id of this data set on the hub
mteb.evaluate(mteb.get_model("openai/clip-vit-base-patch32"), mine)   # any model of mteb
mteb.evaluate(MtebModel("compact"), mine)            # a model of UniNote
```
"""

_FORM = f"""\
## Form

A query or target has `id`, `text` (its texts, one a line), `image` and `{COLUMN}`. MTEB gives a model one
picture an item, so `image` is the picture of an item with one, a contact sheet of an item with several, and a
white square for an item without one. `{COLUMN}` is the whole item as JSON: its texts and pictures in order,
and which text was read in which picture. The pictures are in the configuration `{PICTURES}`, by that digest.
Models of UniNote take the whole item; any other model takes `text` and `image`, so its numbers on tasks with
notes are those of the contact sheet. Grades of Note2Note are integers, higher is better.
"""


def dataset_card(index: Mapping[str, Any], name: str, notes: int, pictures: int) -> str:
    """Return README.md of a data set with the tasks of `index` (see `dataset.write_dataset`).

    Args:
        name: the notes' name. notes, pictures: their numbers.
    """
    configurations = [
        {"config_name": f"{task}-{side}", "data_files": [_file(f"{task}/{side}")]}
        for task in index["tasks"]
        for side in SIDES
    ]
    configurations.append({"config_name": PICTURES, "data_files": [_file(PICTURES)]})
    head = {
        "pretty_name": f"UniNote tasks on {name}",
        "language": [language for language in index["languages"] if language],
        "task_categories": ["visual-document-retrieval", "text-retrieval", "image-feature-extraction"],
        "tags": ["mteb", "uninote", "multimodal", "item-to-item"],
        "configs": configurations,
    }
    text = "\n".join(_sections(index, name, notes, pictures))
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n\n{text}"


def _file(path: str) -> dict[str, str]:
    return {"split": "test", "path": f"{path}.parquet"}


def _sections(index: Mapping[str, Any], name: str, notes: int, pictures: int) -> Iterator[str]:
    yield f"# UniNote tasks on {name}\n"
    yield (
        f"Item-to-item retrieval over {notes} notes with {pictures} pictures: pictures, texts, texts in "
        "pictures and whole notes find each other, as in [arXiv 2605.29287]"
        f"(https://arxiv.org/abs/2605.29287). Suite `{index['suite']}`.\n"
    )
    yield "| task | category | queries | targets | main score | instruction |"
    yield "|---|---|---|---|---|---|"
    for task, about in index["tasks"].items():
        columns = ("category", "queries", "targets", "main_score", "instruction")
        yield f"| {task} | {' | '.join(str(about[column]) for column in columns)} |"
    yield f"\n{_USE}"
    yield _FORM
    yield (
        "## Licence\n\nTexts and pictures are those of the notes, under the notes' licence. State it here "
        "before you publish the folder.\n"
    )
