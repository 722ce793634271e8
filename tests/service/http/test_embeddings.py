"""The embeddings endpoint as OpenAI's own client sees it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from tests.service.http.running import Running
from tests.service.http.test_notes import ok, picture


@pytest.fixture
def client(real: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{real.url}/v1", api_key=real.key("read"), max_retries=0) as client:
        yield client


def rows(answer: Any) -> np.ndarray[Any, Any]:
    return np.array([one.embedding for one in answer.data], np.float32)


def test_texts_in_unit_vectors_out(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model="uninote", input=["a cat", "a dog", "a cat"])
    vectors = rows(answer)
    assert vectors.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors[0], vectors[2], atol=1e-6)
    assert vectors[0] @ vectors[1] < 0.99
    assert [one.index for one in answer.data] == [0, 1, 2]
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0
    assert answer.model == client.models.list().data[0].id


def test_both_encodings_give_the_same_numbers(client: openai.OpenAI) -> None:
    as_numbers = client.embeddings.create(model="uninote", input="a cat", encoding_format="float")
    raw = client.embeddings.with_raw_response.create(model="uninote", input="a cat", encoding_format="base64")
    text = raw.http_response.json()["data"][0]["embedding"]
    decoded = np.frombuffer(base64.b64decode(text), "<f4")
    np.testing.assert_allclose(decoded, rows(as_numbers)[0], atol=1e-7)


def test_dimensions_are_matryoshka_prefixes(client: openai.OpenAI) -> None:
    whole = rows(client.embeddings.create(model="uninote", input="a cat"))[0]
    short = rows(client.embeddings.create(model="uninote", input="a cat", dimensions=64))[0]
    np.testing.assert_allclose(short, whole[:64] / np.linalg.norm(whole[:64]), atol=1e-6)
    with pytest.raises(openai.UnprocessableEntityError, match="64, 128, 256, 384"):
        client.embeddings.create(model="uninote", input="a cat", dimensions=63)


def test_a_task_makes_queries_of_the_inputs(client: openai.OpenAI) -> None:
    """Use a model without instructions; `tests/export/test_served.py` has one with them."""
    plain = rows(client.embeddings.create(model="uninote", input="a cat"))
    asked = client.embeddings.create(model="uninote", input="a cat", extra_body={"task": "T2Note"})
    np.testing.assert_allclose(rows(asked), plain, atol=1e-6)
    with pytest.raises(openai.UnprocessableEntityError, match="task"):
        client.embeddings.create(model="uninote", input="a cat", extra_body={"task": "T2Everything"})


def test_errors_are_those_that_the_client_knows(client: openai.OpenAI, real: Running) -> None:
    with pytest.raises(openai.NotFoundError, match="/v1/models"):
        client.embeddings.create(model="gpt-4", input="x")
    with pytest.raises(openai.UnprocessableEntityError, match=r"input\.1"):
        client.embeddings.create(model="uninote", input=["x", " "])
    with pytest.raises(openai.APIStatusError) as refused:
        client.embeddings.create(model="uninote", input=["x"] * 65)
    assert refused.value.status_code == 413
    with (
        openai.OpenAI(base_url=f"{real.url}/v1", api_key="forged") as other,
        pytest.raises(openai.AuthenticationError),
    ):
        other.models.list()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1, 2, 3], "body.input: must be text, not token ids; with LangChain"),
        ([[1, 2], [3]], "body.input: must be text, not token ids; with LangChain"),
        (["x", 7], "body.input.1: must be a text, an object with text or pictures, or an object with note"),
        (7, "body.input: must be a text, an object with text or pictures, or an object with note, or a list"),
        ([], "body.input: must not be empty"),
        ({"txt": "x"}, "body.input.txt: is not known here; did you mean text?"),
        ([{"note": {"title": 7}}], "body.input.0.note.title: must be a text, not a number"),
        (
            {"pictures": [{"data": "a b!"}]},
            "input.0: pictures.0.data: is not base64; give the bytes",
        ),
        (
            {"pictures": [{"url": "http://a.b/c"}]},
            "input.0: pictures.0.url: only https:// addresses",
        ),
        (
            {"video": {"url": "https://a.b/c"}},
            "input.0: video.url: nothing is fetched from 'a.b'",
        ),
        ({"pictures": [{"data": "YWJj"}]}, "input.0: pictures.0: picture data"),
    ],
)
def test_a_wrong_input_is_told_what_to_be(admin: httpx.Client, given: Any, message: str) -> None:
    answer = admin.post("/v1/embeddings", json={"input": given})
    assert answer.status_code in (415, 422)
    assert answer.json()["error"]["message"].startswith(message)


def test_a_picture_is_taken_in_every_spelling_of_base64(admin: httpx.Client) -> None:
    plain = picture()
    lines = "\r\n".join(plain[start : start + 76] for start in range(0, len(plain), 76))
    safe = plain.replace("+", "-").replace("/", "_").rstrip("=")
    spellings = [plain, lines, safe, f"data:image/png;base64,{plain}", f"DATA:IMAGE/PNG;x=y;BASE64,{lines}"]
    inputs = [{"pictures": [{"data": one}]} for one in spellings]
    data = ok(admin.post("/v1/embeddings", json={"input": inputs}))["data"]
    assert len(data) == 5
    assert all(one["embedding"] == data[0]["embedding"] for one in data)


def test_pictures_and_notes_are_inputs_too(client: openai.OpenAI, admin: httpx.Client) -> None:
    note = {"title": "A red square", "body": "on paper", "pictures": [{"data": picture()}]}
    inputs: Any = [
        {"pictures": [{"data": picture()}]},
        {"text": "A red square", "pictures": [{"data": picture()}]},
        {"note": note},
        "A red square",
    ]
    vectors = rows(client.embeddings.create(model="uninote", input=inputs))
    assert vectors.shape == (4, 384)
    kind = "embedding-test"
    ok(admin.post("/v1/notes", json={"id": "embedding-test", "kind": kind, **note}))
    found = ok(admin.post("/v1/search", json={"query": {"note": note}, "filter": {"kinds": [kind]}}))["hits"][
        0
    ]
    assert found["score"] > 0.999
    assert vectors[2] @ vectors[1] > vectors[2] @ vectors[0]
