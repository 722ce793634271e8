"""Saved towers: graphs, tokenizer and `tower.json` in a folder, which loads without torch weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from tokenizers import Tokenizer

from uninote.encoder.towers import graphs
from uninote.encoder.towers.pixels import preprocess_of
from uninote.encoder.towers.runtime import OnnxRunner, TorchRunner
from uninote.encoder.towers.text import TokenTower
from uninote.encoder.towers.tokens import TokenRules, Tokens
from uninote.encoder.towers.vision import SAMPLE, PixelTower
from uninote.errors import ModelError, reason_of
from uninote.extras import needs
from uninote.files import write_atomic

Precision = Literal["fp32", "int8"]
INDEX, TOKENIZER = "tower.json", "tokenizer.json"
LAYOUT = 1
INT8 = "-int8"


def save_tower(tower: Any, folder: Path, precisions: Sequence[Precision] = ("fp32",)) -> None:
    """Write a tower that a factory loaded, as graphs of `precisions`; int8 for text towers only.

    `tower.json` is written last: a folder with it is whole. Raises MissingExtraError without the exporter,
    and ModelError when the network cannot be exported.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stored: dict[str, Any] = {
        "layout": LAYOUT,
        "name": tower.name.removesuffix(INT8),
        "width": tower.width,
        "graphs": list(precisions),
    }
    if isinstance(tower, TokenTower):
        _write(folder / TOKENIZER, lambda path: path.write_text(tower.tokens.tokenizer.to_str(), "utf-8"))
        stored |= {"kind": "text", "rules": tower.tokens.rules.to_json()}
    elif isinstance(tower, PixelTower):
        space = tower.space and tower.space.removesuffix(INT8)
        stored |= {"kind": "vision", "space": space, "preprocess": tower.preprocess.to_json()}
    else:
        raise ModelError(f"{type(tower).__name__} cannot be saved: load it with text_tower or vision_tower")
    for precision in precisions:
        _write(folder / graph_file(precision), partial(_graph, tower, precision))
    _write(folder / INDEX, lambda path: path.write_text(json.dumps(stored, indent=2), "utf-8"))


def _write(target: Path, content: Callable[[Path], Any]) -> None:
    with write_atomic(target, several_writers=True) as path:
        content(path)


def _graph(tower: TokenTower | PixelTower, precision: Precision, path: Path) -> None:
    runner = tower.runner
    if isinstance(runner, OnnxRunner):
        ready = runner.graph.with_name(graph_file(precision))
        plain = runner.graph.with_name(graph_file("fp32"))
        if ready.is_file():
            shutil.copyfile(ready, path)
        elif plain.is_file():
            graphs.quantise(plain, path)
        else:
            raise ModelError(
                f"{runner.graph.parent} has no {precision} graph: save the tower from its source"
            )
    elif isinstance(runner, TorchRunner) and precision == "fp32":
        try:
            if isinstance(tower, TokenTower):
                graphs.export_text(runner.network, tower.tokens, path)
            else:
                graphs.export_vision(runner.network, tower.pixels(SAMPLE), path)
        except ImportError:
            raise
        except Exception as error:  # the exporter raises errors of many kinds
            reason = reason_of(error)
            raise ModelError(f"{tower.name} cannot be exported: {reason}; run it on torch") from error
    else:
        plain = path.with_name(graph_file("fp32"))
        if not plain.is_file():
            raise ModelError("an int8 graph is made of the fp32 graph: save both precisions")
        graphs.quantise(plain, path)


def graph_file(precision: Precision) -> str:
    """Return the name of the graph in its folder."""
    return f"{precision}.onnx"


def is_saved(folder: Path) -> bool:
    """Check whether the folder holds a saved tower."""
    return (folder / INDEX).is_file()


def load_saved(
    folder: Path, kind: Literal["text", "vision"], precision: Precision, threads: int | None = None
) -> TokenTower | PixelTower:
    """Load what `save_tower` wrote. A vision tower has one precision; `precision` is that of its space.

    Raises MissingExtraError without onnxruntime, and ModelError when the folder is not whole.
    """
    with needs("onnx"):
        import onnxruntime  # type: ignore[import-untyped]  # noqa: F401
    try:
        stored = json.loads((folder / INDEX).read_text("utf-8"))
        if stored["layout"] != LAYOUT or stored["kind"] != kind:
            raise ValueError(f"it is a {stored['kind']} tower of layout {stored['layout']}")
        suffix = INT8 if precision == "int8" else ""
        graph = folder / graph_file(precision if kind == "text" else "fp32")
        runner = OnnxRunner(graph, threads)
        width = int(stored["width"])
        if kind == "text":
            tokens = Tokens(Tokenizer.from_file(str(folder / TOKENIZER)), TokenRules(**stored["rules"]))
            return TokenTower(stored["name"] + suffix, width, tokens, runner)
        space = stored["space"] and stored["space"] + suffix
        return PixelTower(stored["name"], width, space, preprocess_of(stored["preprocess"]), runner)
    except Exception as error:  # onnxruntime's and tokenizers' own errors share no base class
        reason = reason_of(error)
        raise ModelError(
            f"{folder} holds no whole {kind} tower with an {precision} graph: {reason}; write it again with "
            "`save_tower`"
        ) from error
