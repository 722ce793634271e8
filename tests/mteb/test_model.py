"""An encoder in retrieval tasks that are made here, run by mteb itself."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from datasets import Image as ImageFeature
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.models.models_protocols import EncoderProtocol
from PIL import Image
from tests.encoder.compact.small_towers import small_encoder
from tests.evaluation.conftest import picture_of

import mteb
from uninote.encoder import Encoder
from uninote.errors import ItemError, ModelError
from uninote.evaluation.scoring import per_query
from uninote.evaluation.search import nearest
from uninote.evaluation.suite import Query, TaskSuite
from uninote.items import Item, Picture
from uninote.mteb import MtebModel
from uninote.tasks.definitions import Task

Rows = list[dict[str, Any]]
Qrels = dict[str, dict[str, int]]
TEXTS = [
    "rain over the old harbour",
    "snow on the old bridge",
    "rain in the market",
    "a bridge over the river",
    "the castle in snow",
    "a market by the harbour",
    "fog on the river",
    "the old castle wall",
]


def decoded(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(picture.read()))


def made(
    category: str, queries: Rows, corpus: Rows, qrels: dict[str, dict[str, int]], prompt: str = ""
) -> Any:
    """Return a retrieval task of rows in memory."""

    class Made(AbsTaskRetrieval):
        metadata = TaskMetadata(
            dataset={"path": "made", "revision": "1"},
            name=f"Made{category}",
            description="Made in a test.",
            type="Retrieval" if category == "t2t" else "Any2AnyRetrieval",
            category=category,
            modalities=["text"] if category == "t2t" else ["image", "text"],
            eval_langs=["eng-Latn"],
            main_score="ndcg_at_10",
            prompt={"query": prompt} if prompt else None,
        )

        def load_data(self, *_: Any, **__: Any) -> None:
            sides = (self._dataset(queries), self._dataset(corpus))
            split = RetrievalSplitData(
                queries=sides[0], corpus=sides[1], relevant_docs=qrels, top_ranked=None
            )
            self.dataset = {"default": {"test": split}}
            self.data_loaded = True

        @staticmethod
        def _dataset(rows: Rows) -> Dataset:
            table = Dataset.from_list(rows)
            return table.cast_column("image", ImageFeature()) if "image" in table.column_names else table

    return Made()


def scores(encoder: Encoder, task: Any, batch_size: int = 3, **options: Any) -> dict[str, float]:
    model = MtebModel(encoder, **options)
    kwargs = {"batch_size": batch_size}
    result = mteb.evaluate(model, task, cache=None, encode_kwargs=kwargs, show_progress_bar=False)
    return result.task_results[0].scores["test"][0]


def own(
    encoder: Encoder, queries: Sequence[Item], targets: Sequence[Item], relevant: Sequence[dict[int, int]]
) -> dict[str, float]:
    """Return the scores of this project's evaluation; `relevant`: grades by position, of each query."""
    asked = [
        Query(item, "", {targets[place].key: grade for place, grade in grades.items()})
        for item, grades in zip(queries, relevant, strict=True)
    ]
    task = TaskSuite("made", Task.T2I, tuple(asked), tuple(targets), graded=True)
    _, ids = nearest(task, encoder.encode(queries), encoder.encode(targets), 10)
    values = per_query(task, ids, [1, 3, 10])
    return {name.replace("@", "_at_"): float(column.mean()) for name, column in values.items()}


RELEVANT = [{3: 2, 0: 1}, {1: 1, 4: 3, 7: 2}, {5: 1}, {6: 2, 2: 1}]


def qrels() -> Qrels:
    return {
        f"q{n}": {f"d{place}": grade for place, grade in grades.items()} for n, grades in enumerate(RELEVANT)
    }


def same(found: dict[str, float], expected: dict[str, float]) -> None:
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-5)
    assert 0.1 < expected["ndcg_at_10"] < 0.95


def test_a_task_of_texts_is_scored_as_by_the_evaluation(encoder: Encoder) -> None:
    asked = ["old bridge", "castle snow wall", "market", "river fog"]
    queries = [{"id": f"q{n}", "text": text} for n, text in enumerate(asked)]
    corpus = [{"id": f"d{n}", "title": "", "text": text} for n, text in enumerate(TEXTS)]
    found = scores(encoder, made("t2t", queries, corpus, qrels()))
    same(found, own(encoder, [*map(Item.of, asked)], [*map(Item.of, TEXTS)], RELEVANT))


def test_a_row_of_text_and_picture_is_one_item_of_both(encoder: Encoder) -> None:
    asked = [picture_of(n) for n in range(4)]
    shown = [picture_of(50 + n) for n in range(8)]
    queries = [{"id": f"q{n}", "image": decoded(picture)} for n, picture in enumerate(asked)]
    corpus = [{"id": f"d{n}", "text": TEXTS[n], "image": decoded(picture)} for n, picture in enumerate(shown)]
    found = scores(encoder, made("i2it", queries, corpus, qrels()))
    targets = [Item.of(text, picture) for text, picture in zip(TEXTS, shown, strict=True)]
    same(found, own(encoder, [*map(Item.of, asked)], targets, RELEVANT))


def test_several_pictures_of_a_row_are_one_item(encoder: Encoder) -> None:
    pictures = [picture_of(n) for n in range(3)]
    task = made("t2t", [], [], {})
    batch = {"text": ["rain", "snow"], "image": [[decoded(p) for p in pictures], decoded(pictures[0])]}
    vectors = encoded(MtebModel(encoder), [batch], task)
    expected = encoder.encode([Item.of("rain", *pictures), Item.of("snow", pictures[0])])
    assert np.allclose(vectors, expected, atol=1e-6)


def encoded(model: MtebModel, batches: list[dict[str, Any]], task: Any, **options: Any) -> np.ndarray:
    return model.encode(batches, task_metadata=task.metadata, hf_split="test", hf_subset="default", **options)


def test_transparent_pictures_and_palettes_are_decoded_as_files_are(encoder: Encoder) -> None:
    image = Image.new("RGBA", (20, 20), (255, 0, 0, 100))
    palette = Image.new("P", (20, 20), 3)
    for picture in (image, palette):
        file = io.BytesIO()
        picture.save(file, "PNG")
        vectors = encoded(MtebModel(encoder), [{"image": [picture]}], made("t2t", [], [], {}))
        assert np.allclose(vectors, encoder.encode([Item.of(Picture.from_bytes(file.getvalue()))]), atol=1e-6)


def test_rows_that_fail_are_counted_and_the_rest_goes_on(
    encoder: Encoder, caplog: pytest.LogCaptureFixture
) -> None:
    task = made("t2it", [], [], {})
    tiny, good = Image.new("RGB", (2, 2)), Image.new("RGB", (20, 20))
    batches = [{"text": ["rain"], "image": [good]}, {"text": ["", "snow"], "image": [None, tiny]}]
    vectors = encoded(MtebModel(encoder), batches, task)
    assert "1 of 3 items of Madet2it cannot be embedded; number 1: an item needs" in caplog.text
    assert "1 of 3 items of Madet2it lack a picture; number 2: picture sha256:" in caplog.text
    assert not vectors[1].any()
    assert np.allclose(vectors[2], encoder.encode([Item.of("snow")])[0], atol=1e-6)
    with pytest.raises(ItemError, match=r"2 of 2 .* number 0: .*too small: 2 x 2"):
        encoded(MtebModel(encoder), [{"image": [tiny, tiny]}], task)
    with pytest.raises(ItemError, match="only texts and pictures can be embedded: the batch has audio"):
        encoded(MtebModel(encoder), [{"audio": [1]}], task)


def test_queries_alone_take_the_instruction_of_the_task(tiny_qwen: Callable[..., Path]) -> None:
    encoder = Encoder.pretrained(tiny_qwen(), device="cpu")
    model = MtebModel(encoder)
    task, batch = made("t2t", [], [], {}, "Find the weather."), {"text": ["rain"]}
    query = encoded(model, [batch], task, prompt_type=mteb.types.PromptType.query)
    document = encoded(model, [batch], task, prompt_type=mteb.types.PromptType.document)
    rain = [Item.of("rain")]
    assert np.allclose(query, encoder.encode(rain, instruction="Find the weather."), atol=1e-5)
    assert np.allclose(document, encoder.encode(rain), atol=1e-5)
    assert np.allclose(encoded(model, [batch], task), document, atol=1e-6)
    assert not np.allclose(query, document, atol=1e-3)


def test_the_model_tells_mteb_what_it_is(encoder: Encoder, tmp_path: Path, small_towers: None) -> None:
    folder = encoder.save(tmp_path / "mine")
    model = MtebModel(folder, device="cpu", dim=64)
    meta = model.mteb_model_meta
    assert isinstance(model, EncoderProtocol)
    assert (meta.name, meta.revision, meta.embed_dim) == ("uninote/mine", model.model.version, 64)
    assert meta.modalities == ["text", "image"]
    assert not meta.use_instructions
    assert encoded(model, [], made("t2t", [], [], {})).shape == (0, 64)
    named = MtebModel(encoder, "7", name="first").mteb_model_meta
    assert (named.name, named.revision) == ("uninote/first", "7")
    with pytest.raises(ModelError, match="not trained at 63"):
        MtebModel(small_encoder(), dim=63)
