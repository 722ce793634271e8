"""LangChain and LlamaIndex against a real server: as the documentation says, and as they are by default."""

from __future__ import annotations

import asyncio
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from PIL import Image
from tests.service.http.running import Running

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[3] / "docs" / "service.md"
TEXTS = [f"note {number}: a cat on a roof" for number in range(130)]


LIKE, PLAIN = "openai_like:OpenAILikeEmbedding", "openai:OpenAIEmbedding"


def langchain(real: Running, **options: Any) -> Any:
    from langchain_openai import OpenAIEmbeddings  # seconds, which tests of other files need not wait for

    defaults = {"model": "uninote", "check_embedding_ctx_length": False, "chunk_size": 64, "max_retries": 0}
    return OpenAIEmbeddings(base_url=f"{real.url}/v1", api_key=real.key("read"), **(defaults | options))


def llama(real: Running, kind: str = LIKE, **options: Any) -> Any:
    module, _, name = kind.partition(":")
    make = getattr(import_module(f"llama_index.embeddings.{module}"), name)
    defaults = {"model_name": "uninote", "embed_batch_size": 64, "max_retries": 1}
    return make(api_base=f"{real.url}/v1", api_key=real.key("read"), **(defaults | options))


@pytest.fixture(scope="module")
def wanted(real: Running) -> np.ndarray[Any, Any]:
    """The vectors of OpenAI's own client, 64 texts at a time."""
    with openai.OpenAI(base_url=f"{real.url}/v1", api_key=real.key("read")) as client:
        parts = [
            client.embeddings.create(
                model="uninote", input=TEXTS[start : start + 64], encoding_format="float"
            )
            for start in range(0, len(TEXTS), 64)
        ]
    return np.array([one.embedding for part in parts for one in part.data], np.float32)


def test_the_examples_of_the_documentation_run(
    real: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo" / "index").mkdir(parents=True)
    (tmp_path / "demo" / "index" / "admin.key").write_text(f"{real.key('read')}\n")
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    for name, colour in (("1.jpg", "red"), ("2.jpg", "blue")):
        Image.new("RGB", (64, 64), colour).save(tmp_path / name)
    found: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block.replace("http://localhost:8080", real.url), PAGE.name, "exec"), found)
    own = np.array([one.embedding for one in found["answer"].data])
    np.testing.assert_allclose(found["documents"], own, atol=1e-6)
    np.testing.assert_allclose(found["nodes"], own, atol=1e-6)
    np.testing.assert_allclose(found["query"], found["question"], atol=1e-6)
    assert own.shape == (2, 128)
    assert len(found["stored"].data) == 2
    assert len(found["asked"].data) == 1


def test_langchain_embeds_many_texts_in_batches(real: Running, wanted: np.ndarray[Any, Any]) -> None:
    np.testing.assert_allclose(langchain(real).embed_documents(TEXTS), wanted, atol=1e-6)
    np.testing.assert_allclose(langchain(real).embed_query(TEXTS[7]), wanted[7], atol=1e-5)
    short = np.array(langchain(real, dimensions=64).embed_documents(TEXTS[:3]))
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), 1, atol=1e-5)
    assert short.shape == (3, 64)


@pytest.mark.parametrize("kind", [LIKE, PLAIN])
def test_llama_index_embeds_many_texts_in_batches(
    real: Running, wanted: np.ndarray[Any, Any], kind: str
) -> None:
    np.testing.assert_allclose(llama(real, kind).get_text_embedding_batch(TEXTS), wanted, atol=1e-6)
    np.testing.assert_allclose(llama(real, kind).get_query_embedding(TEXTS[7]), wanted[7], atol=1e-5)
    short = np.array(llama(real, kind, dimensions=64).get_text_embedding_batch(TEXTS[:3]))
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), 1, atol=1e-5)
    assert short.shape == (3, 64)


def test_llama_index_replaces_line_breaks(real: Running) -> None:
    broken, joined = llama(real).get_text_embedding_batch(["a cat\non a roof", "a cat on a roof"])
    np.testing.assert_allclose(broken, joined, atol=1e-6)


async def both_async(real: Running) -> tuple[Any, Any]:
    first = await langchain(real).aembed_documents(TEXTS[:3])
    return first, await llama(real).aget_text_embedding_batch(TEXTS[:3])


def test_their_asynchronous_calls_give_the_same(real: Running, wanted: np.ndarray[Any, Any]) -> None:
    for found in asyncio.run(both_async(real)):
        np.testing.assert_allclose(found, wanted[:3], atol=1e-5)


def test_token_ids_of_langchain_are_answered_with_the_option_to_set(
    real: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tiktoken

    bytes_only = tiktoken.Encoding(
        "bytes", pat_str=r"(?s).", mergeable_ranks={bytes([n]): n for n in range(256)}, special_tokens={}
    )
    monkeypatch.setattr(tiktoken, "encoding_for_model", lambda _: bytes_only)  # it would be downloaded
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        langchain(real, check_embedding_ctx_length=True).embed_documents(["a cat"])
    message = "must be text, not token ids; with LangChain, set check_embedding_ctx_length=False"
    body: Any = refused.value.body
    assert body["message"] == f"body.input: {message}"
    assert body["problems"] == [{"where": "body.input", "message": message}]


def test_too_many_texts_at_once_are_answered_with_the_options_to_set(real: Running) -> None:
    says = r"at most 64 inputs, not \d+: send fewer \(LangChain: chunk_size, LlamaIndex: embed_batch_size\)"
    with pytest.raises(openai.APIStatusError, match=says) as refused:
        langchain(real, chunk_size=1000).embed_documents(TEXTS)
    assert refused.value.status_code == 413
    with pytest.raises(openai.APIStatusError, match=says):
        llama(real, PLAIN, embed_batch_size=100).get_text_embedding_batch(TEXTS)


def test_an_empty_text_is_named_by_its_position(real: Running) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match=r"body\.input\.1: must not be empty"):
        langchain(real).embed_documents(["a", ""])
    with pytest.raises(openai.UnprocessableEntityError, match=r"body\.input\.1: must not be empty"):
        llama(real).get_text_embedding_batch(["a", ""])
