"""Tasks of a data set that `dataset.write_dataset` wrote, as task objects of MTEB."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from uninote.errors import ConfigError
from uninote.extras import needs
from uninote.mteb.dataset import INDEX
from uninote.problems import problem_of

with needs("mteb"):
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata

LANGUAGES = {"en": "eng-Latn", "zh": "zho-Hans"}
UNKNOWN = "und-Zyyy"
_MODALITIES = {"i": "image", "t": "text"}


def tasks(
    source: str | Path, names: Collection[str] | None = None, revision: str = "main"
) -> list[AbsTaskRetrieval]:
    """Return the tasks of a data set, for `mteb.evaluate`.

    Args:
        source: folder of `uninote corpus mteb`, or the id of its copy on the hub.
        names: tasks to return, e.g. `["I2Note"]`; all if None.
        revision: of a data set on the hub.

    Raises ConfigError when `source` holds no such data set, or no task of a name.
    """
    index, revision = _index(source, revision)
    unknown = sorted(set(names or ()) - index["tasks"].keys())
    if unknown:
        raise ConfigError(f"{source} has no task {unknown[0]}: it has {', '.join(index['tasks'])}")
    languages = sorted({LANGUAGES.get(code, UNKNOWN) for code in index["languages"]})
    return [
        _task(name, about, str(source), revision, languages)
        for name, about in index["tasks"].items()
        if names is None or name in names
    ]


def _index(source: str | Path, revision: str) -> tuple[dict[str, Any], str]:
    """Return the content of `INDEX`, and the revision under which mteb keeps results."""
    local = Path(source).is_dir()
    try:
        file = Path(source) / INDEX if local else _downloaded(str(source), revision)
        index = json.loads(file.read_text("utf-8"))
        return index, index["suite"] if local else revision
    except (OSError, ValueError, LookupError) as error:
        raise ConfigError(f"{source} is no data set of `uninote corpus mteb`: {problem_of(error)}") from error


def _downloaded(source: str, revision: str) -> Path:
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(source, INDEX, repo_type="dataset", revision=revision))


def _task(
    name: str, about: Mapping[str, Any], path: str, revision: str, languages: list[str]
) -> AbsTaskRetrieval:
    category = about["category"]
    kind = "Retrieval" if category == "t2t" else "Any2AnyRetrieval"
    metadata = TaskMetadata(
        dataset={"path": path, "revision": revision},
        name=f"UniNote{name}",
        description=about["instruction"],
        type=kind,
        category=category,
        modalities=sorted({_MODALITIES[letter] for letter in category if letter in _MODALITIES}),
        eval_splits=["test"],
        eval_langs={name: languages},
        main_score=about["main_score"],
        prompt={"query": about["instruction"]},
    )
    return type(metadata.name, (AbsTaskRetrieval,), {"metadata": metadata, "__doc__": about["instruction"]})()
