"""Descriptions from any OpenAI-compatible server (`/chat/completions` with the picture in the request)."""

from __future__ import annotations

import base64
import http.client
import io
import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Any

from PIL import Image

from uninote.annotate.protocol import DESCRIBE_PROMPT, PartialError
from uninote.errors import ConfigError, ModelError, PictureError

_RETRIED = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
_REFUSED_PICTURE = frozenset({400, 413, 415, 422})
_LONGEST_ANSWER = 4_000_000


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the API key to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass(frozen=True)
class OpenAIDescriber:
    """One request per picture, `concurrency` at a time.

    429 and 5xx answers and broken connections are tried again up to `retries` times, after the time that
    the server's Retry-After names, else after `backoff` seconds doubled each time (with jitter).

    Attributes:
        endpoint: base URL, e.g. "http://host:8000/v1".
        api_key: sent as a bearer token; never part of `repr`, errors or the cache.
        timeout: seconds per request; max_wait: cap of one pause between tries, in seconds.
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
    backoff: float = 1.0
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
        """Raises PartialError when the server refuses some pictures, ModelError when it cannot be used."""
        with ThreadPoolExecutor(self.concurrency) as pool:
            results = list(pool.map(self._describe_or_error, images))
        if any(isinstance(result, PictureError) for result in results):
            raise PartialError(results)
        return [result for result in results if isinstance(result, str)]

    def _describe_or_error(self, image: Image.Image) -> str | PictureError:
        try:
            return self._describe(image)
        except PictureError as error:
            return error

    def _describe(self, image: Image.Image) -> str:
        answer = self._post(self._request(image))
        try:
            text = json.loads(answer)["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError) as error:
            raise ModelError(f"{self.endpoint} did not answer with a chat completion") from error
        if not isinstance(text, str) or not text.strip():
            raise PictureError(f"model {self.model} wrote no description")
        return text.strip()

    def _request(self, image: Image.Image) -> urllib.request.Request:
        small = image.convert("RGB")
        small.thumbnail((self.max_side, self.max_side))
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=90)
        url = f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
        content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": self.prompt}]
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": self.max_tokens,
            "temperature": 0,
        }
        headers = {"Content-Type": "application/json"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        address = f"{self.endpoint.rstrip('/')}/chat/completions"
        return urllib.request.Request(address, json.dumps(body).encode(), headers, method="POST")

    def _post(self, request: urllib.request.Request) -> bytes:
        opener = urllib.request.build_opener(_NoRedirect)
        for attempt in range(self.retries + 1):
            try:
                with opener.open(request, timeout=self.timeout) as response:
                    return bytes(response.read(_LONGEST_ANSWER))
            except urllib.error.HTTPError as error:
                with error:
                    if error.code not in _RETRIED or attempt == self.retries:
                        raise self._refusal(error.code) from None
                    pause = _retry_after(error.headers)
            except (OSError, http.client.HTTPException) as error:
                if attempt == self.retries:
                    reason = getattr(error, "reason", None) or error
                    raise ModelError(f"{self.endpoint} cannot be reached: {reason}") from None
                pause = None
            if pause is None:
                pause = self.backoff * 2**attempt * random.uniform(0.5, 1.5)
            time.sleep(min(pause, self.max_wait))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _refusal(self, code: int) -> PictureError | ModelError:
        said = f"{self.endpoint} answered {code} {http.client.responses.get(code, '')}".rstrip()
        if code in _REFUSED_PICTURE or code >= 500:
            return PictureError(f"{said} for this picture")
        return ModelError(f"{said}; check the endpoint, the model name, the API key and the quota")


def _retry_after(headers: Message) -> float | None:
    """Seconds named by Retry-After (a number or an HTTP date); None when absent or unreadable."""
    value = (headers.get("Retry-After") or "").strip()
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
