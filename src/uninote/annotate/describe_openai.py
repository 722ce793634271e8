"""Describer with any OpenAI-compatible server (`/chat/completions` with the picture in the request)."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from http.client import responses
from typing import Any

from PIL import Image

from uninote.annotate.protocol import DESCRIBE_PROMPT, PartialError
from uninote.errors import ConfigError, ModelError, PictureError, reason_of
from uninote.extras import needs

with needs("describe"):
    import openai

_REFUSED_PICTURE = frozenset({400, 413, 415, 422})


@dataclass(frozen=True)
class OpenAIDescriber:
    """Describer that sends one request per picture, `concurrency` at a time.

    Answers 408, 409, 429 and 5xx and broken connections are retried up to `retries` times, after the time in
    the server's Retry-After, else after a pause that doubles each time.

    Attributes:
        endpoint: base URL, e.g. "http://host:8000/v1".
        api_key: sent as a bearer token; never part of `repr`, errors or the cache.
        timeout: seconds per request; max_wait: cap of a Retry-After, in seconds.
        max_side: pictures are sent as JPEG at most this many pixels long.
    """

    endpoint: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    prompt: str = DESCRIBE_PROMPT
    max_tokens: int = 160
    max_side: int = 1024
    concurrency: int = 8
    timeout: float = 60.0
    retries: int = 5
    max_wait: float = 60.0

    def __post_init__(self) -> None:
        if not self.endpoint.startswith(("http://", "https://")):
            raise ConfigError(f"annotate.endpoint must be an http(s) URL, got {self.endpoint!r}")
        if not self.model:
            raise ConfigError("annotate.describe_model must name the model that the endpoint serves")

    @property
    def name(self) -> str:
        asked = f"{self.prompt}|{self.max_tokens}|{self.max_side}"
        return f"openai:{self.model}:{sha256(asked.encode()).hexdigest()[:12]}"

    def __call__(self, images: Sequence[Image.Image]) -> list[str]:
        """Describe pictures, one text each.

        Raises PartialError when the server refuses some pictures, ModelError when it cannot be used.
        """
        # No redirects, which would send the key to another host.
        http = openai.DefaultHttpxClient(follow_redirects=False, event_hooks={"response": [self._cap_wait]})
        with (
            openai.OpenAI(
                api_key=self.api_key or "none",
                base_url=self.endpoint,
                timeout=self.timeout,
                max_retries=self.retries,
                http_client=http,
            ) as client,
            ThreadPoolExecutor(self.concurrency) as pool,
        ):
            results = list(pool.map(lambda image: self._describe_or_error(client, image), images))
        if any(isinstance(result, PictureError) for result in results):
            raise PartialError(results)
        return [result for result in results if isinstance(result, str)]

    def _describe_or_error(self, client: openai.OpenAI, image: Image.Image) -> str | PictureError:
        try:
            return self._describe(client, image)
        except PictureError as error:
            return error

    def _describe(self, client: openai.OpenAI, image: Image.Image) -> str:
        try:
            answer = client.chat.completions.with_raw_response.create(
                model=self.model,
                messages=[{"role": "user", "content": self._content(image)}],
                max_tokens=self.max_tokens,
                temperature=0,
                extra_headers=None if self.api_key else {"Authorization": openai.Omit()},
            )
        except openai.APIStatusError as error:
            raise self._refusal(error.status_code) from None
        except openai.APIConnectionError as error:
            raise ModelError(
                f"{self.endpoint} cannot be reached: {reason_of(error.__cause__ or error)}"
            ) from None
        try:
            text = json.loads(answer.content)["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError) as error:
            raise ModelError(f"{self.endpoint} did not answer with a chat completion") from error
        if not isinstance(text, str) or not text.strip():
            raise PictureError(f"model {self.model} wrote no description")
        return text.strip()

    def _content(self, image: Image.Image) -> Any:
        small = image.convert("RGB")
        small.thumbnail((self.max_side, self.max_side))
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=90)
        url = f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
        return [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": self.prompt}]

    def _cap_wait(self, response: Any) -> None:
        """Shorten a long Retry-After: the client would give up instead of waiting that long."""
        seconds = response.headers.get("Retry-After", "")
        if seconds.isdecimal() and int(seconds) > self.max_wait:
            response.headers["Retry-After"] = str(self.max_wait)

    def _refusal(self, code: int) -> PictureError | ModelError:
        said = f"{self.endpoint} answered {code} {responses.get(code, '')}".rstrip()
        if code in _REFUSED_PICTURE or code >= 500:
            return PictureError(f"{said} for this picture")
        return ModelError(f"{said}; check the endpoint, the model name, the API key and the quota")
