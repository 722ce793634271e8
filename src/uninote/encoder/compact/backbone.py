"""Compact backbone: frozen towers, elements, and a small trained aggregator, for a CPU without a model hub.

A note of any length enters whole, up to `max_tokens`: its texts and the texts read in its pictures as chunks
of whole sentences, and its pictures. `prepare` runs the towers, each element once (`towers.py`); `forward` is
the aggregator alone (`aggregator.py`), so training never runs a tower twice.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from uninote.annotate.factory import make_picture_reader
from uninote.annotate.reading import PictureReader
from uninote.encoder.capabilities import ParamGroup
from uninote.encoder.compact.aggregator import Aggregator, reducing_axes
from uninote.encoder.compact.elements import PICTURE_TOKENS, Element, Elements, distinct_contents, elements_of
from uninote.encoder.compact.reading import read_items
from uninote.encoder.compact.settings import CompactSettings
from uninote.encoder.compact.towers import Towers
from uninote.encoder.protocol import Inputs, LoadOptions
from uninote.encoder.stand_in import warn_once
from uninote.encoder.stills import with_stills
from uninote.errors import ItemError, ModelError, PictureError
from uninote.items import Item, Picture
from uninote.problems import problem_of
from uninote.settings import CorpusSettings

log = logging.getLogger(__name__)

ITEMS = 16_384
"""Items whose elements are kept."""
CHARS = 4
"""Characters of a token of English, about."""
SAMPLE = 4096
"""Most texts, and most pictures, that the statistics of the towers' outputs are fitted on."""
FILE = "aggregator.safetensors"


class CompactBackbone(nn.Module):
    """Compact backbone.

    Inputs: kind, row int64 [m]; lengths int64 [n]; texts float32 [t, text width]; pictures float32
    [u, vision width] (see `Aggregator.forward`).
    """

    name = "compact"
    causal = False
    uses_instructions = False
    stand_in = False
    """Set by `stand_in.standing_in`."""

    def __init__(
        self, settings: CompactSettings, towers: Towers, reader: PictureReader | None = None
    ) -> None:
        """Build an untrained backbone.

        `reader`: of texts in pictures, used where `settings.read` is `all`; None: the OCR engine of the
        package, loaded when the first picture is to be read.
        """
        super().__init__()
        self.settings, self.towers, self.reader = settings, towers, reader
        shared = next((n for n, text in enumerate(towers.texts) if text.name == towers.vision.space), None)
        widths = [tower.width for tower in towers.texts]
        self.aggregator = Aggregator(widths, towers.vision.width, settings.pooling, shared, settings.layers)
        self.width = self.aggregator.width
        self._elements = lru_cache(ITEMS)(self._elements_of)
        self._textless: set[str] = set()

    @classmethod
    def start(
        cls,
        settings: CompactSettings,
        corpus: CorpusSettings | None = None,
        feature_folder: Path | None = None,
        seed: int = 0,
    ) -> Self:
        towers = Towers.open(settings, corpus, feature_folder)
        for tower in towers.texts:
            if settings.chunk > CHARS * tower.max_tokens:
                log.warning(
                    "encoder.chunk is %d characters, of which the tower %s reads %d tokens: what is beyond "
                    "is cut; choose at most %d",
                    settings.chunk,
                    tower.name,
                    tower.max_tokens,
                    CHARS * tower.max_tokens,
                )
        return cls.on(towers, settings, seed)

    @classmethod
    def on(cls, towers: Towers, settings: CompactSettings, seed: int = 0) -> Self:
        """Build an untrained backbone on towers that several share; `seed` draws its weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(settings, towers)

    def sibling(self, settings: CompactSettings, seed: int = 0) -> Self:
        """Build an untrained backbone on the same towers and caches.

        `settings` may differ from its own in what concerns the aggregator and the dimensions.
        """
        twin = type(self).on(self.towers, settings, seed)
        twin.reader, twin._elements, twin._textless = self.reader, self._elements, self._textless
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a copy with its own weights, e.g. the anchor of stage 2, on the same towers and caches."""
        twin = self.sibling(self.settings)
        memo[id(self)] = twin
        twin.load_state_dict(self.state_dict())
        twin.train(self.training)
        for own, other in zip(twin.parameters(), self.parameters(), strict=True):
            own.requires_grad_(other.requires_grad)
        return twin.to(self.aggregator.axes.device)

    def read(self, items: Sequence[Item]) -> list[Item | ItemError]:
        """Return the items with stills of their videos and, as `settings.read` says, the texts of their
        pictures (`Reads`)."""
        return read_items(self._stills(items), self.settings.read, self._lines)

    def _stills(self, items: Iterable[Item]) -> list[Item]:
        return [with_stills(item, self.towers.corpus.stills) for item in items]

    def _lines(self, pictures: Sequence[Picture]) -> dict[str, tuple[str, ...] | PictureError]:
        if self.reader is None:
            self.reader = make_picture_reader(self.towers.corpus, self.towers.folder)
        found = self.reader.read([one for one in pictures if one.digest not in self._textless])
        return found | {one.digest: () for one in pictures if one.digest in self._textless}

    def _elements_of(self, item: Item) -> Elements:
        made = elements_of(
            self._whole([item])[0], self.towers.count, self.settings.max_tokens, self.settings.chunk
        )
        if made.tokens < made.whole:
            log.warning("item cut from %d to %d tokens: raise encoder.max_tokens", made.whole, made.tokens)
        return made

    def elements(self, item: Item) -> tuple[Element, ...]:
        """Return the elements of an item. Raises ItemError when a picture cannot be read."""
        return self._elements(item).kept

    def cost(self, item: Item, instruction: str = "") -> int:
        return 1 + self._elements(item).tokens

    def prepare(self, items: Sequence[Item], instruction: str = "") -> Inputs:
        rows = [self.elements(item) for item in items]
        flat = [element for row in rows for element in row]
        texts, pictures = distinct_contents(flat)
        # A picture's key is a tuple, so that no text equals it.
        keys: list[str | tuple[str]] = [*texts, *((picture.digest,) for picture in pictures)]
        places = {key: place for place, key in enumerate(keys)}
        place = [
            places[(one.content.digest,) if isinstance(one.content, Picture) else one.content] for one in flat
        ]
        return {
            "kind": torch.tensor([element.kind for element in flat]),
            "row": torch.tensor(place),
            "lengths": torch.tensor([len(row) for row in rows]),
            "texts": torch.from_numpy(self.towers.text_rows(texts, stand_in=self.stand_in)),
            "pictures": torch.from_numpy(self.towers.picture_rows(pictures, self.stand_in)),
        }

    def _whole(self, items: Sequence[Item]) -> list[Item]:
        """Return the items as `read` does. Raises ItemError for the first that cannot be read."""
        found = []
        for item in self.read(items):
            if isinstance(item, ItemError):
                raise item
            found.append(item)
        return found

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        vectors: torch.Tensor = self.aggregator(**inputs)
        return vectors

    def remember(self, items: Sequence[Item], dropout: float = 0.0, progress: bool = False) -> None:
        """Run the towers on the elements of all items, and set the dropout on their outputs (`Remembers`)."""
        self.aggregator.dropout.p = dropout
        items = list({id(item): item for item in items}.values())  # negatives are positives of other pairs
        if len(items) > (self._elements.cache_info().maxsize or 0):
            self._elements = lru_cache(len(items))(self._elements_of)
        if self.settings.read == "all":  # at once: the engine reads in parallel
            unread = {picture.digest: picture for item in self._stills(items) for picture in item.unread}
            for digest, lines in self._lines(list(unread.values())).items():
                if isinstance(lines, PictureError):
                    log.warning("in training no text is read in sha256:%s: %s", digest[:12], lines)
                    self._textless.add(digest)
        texts, pictures = distinct_contents(one for item in items for one in self.elements(item))
        self.towers.reserve(len(texts), len(pictures))
        self.towers.text_rows(texts, progress)
        for digest, error in self.towers.fill_pictures(pictures, progress).items():
            warn_once(digest, error)  # `prepare` puts a stand-in in its place

    @torch.no_grad()
    def fit_statistics(self, items: Sequence[Item]) -> None:
        """Fit the centre of the text rows, and centre and axes of the picture features (`WarmsUp`)."""
        texts, pictures = distinct_contents(one for item in items for one in self.elements(item))
        own = self.aggregator
        if texts:
            rows = self.towers.text_rows(texts[:: -(-len(texts) // SAMPLE)])
            finite = rows[np.isfinite(rows).all(axis=1)]  # one bad output must not enter the centre of all
            own.centre.copy_(torch.from_numpy(finite).mean(0))
        if len(pictures) > 1:
            drawn = pictures[:: -(-len(pictures) // SAMPLE)]
            features = torch.from_numpy(self.towers.picture_rows(drawn, stand_in=True))
            centre, axes = reducing_axes(features, own.picture_axes.shape[1])
            own.picture_centre.copy_(centre)
            own.picture_axes.copy_(axes)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.aggregator.state_dict(), folder / FILE)
        stored = {
            "name": self.name,
            "settings": self.settings.model_dump(),
            "towers": self.towers.names,
        }
        (folder / "backbone.json").write_text(json.dumps(stored, indent=2))

    @classmethod
    def load(cls, folder: Path, options: LoadOptions) -> Self:
        if (folder / "connector.safetensors").is_file():
            raise ModelError(
                f"{folder} is a compact model of an earlier release, which had no elements: train it again, "
                "or use the release that made it"
            )
        try:
            stored = json.loads((folder / "backbone.json").read_text())
            settings = CompactSettings(
                **CompactSettings.only(stored["settings"] | {"device": options.device, **options.changes})
            )
            weights = load_file(folder / FILE)
            wanted = list(stored["towers"])
        except (OSError, ValueError, LookupError, TypeError, SafetensorError) as error:
            raise ModelError(f"{folder} is not a whole compact model: {problem_of(error)}") from error
        towers = Towers.open(settings, options.corpus, options.feature_folder, folder)
        if towers.names != wanted:
            raise ModelError(
                f"{folder} was trained on the towers {', '.join(wanted)}, not on {', '.join(towers.names)}: "
                "name those in encoder.text and encoder.vision, or train it again"
            )
        backbone = cls(settings, towers)
        try:
            backbone.aggregator.load_state_dict(weights)
        except RuntimeError as error:
            raise ModelError(f"{folder} is not a whole compact model: {problem_of(error)}") from error
        return backbone

    @property
    def axes(self) -> torch.Tensor:
        return self.aggregator.axes

    def param_groups(self, rate: float, head_rate: float) -> list[ParamGroup]:
        return self.aggregator.param_groups(head_rate)

    def warm_up_groups(self, rate: float) -> list[ParamGroup]:
        return self.aggregator.warm_up_groups(rate)

    @classmethod
    def cache_pictures(
        cls,
        settings: CompactSettings,
        corpus: CorpusSettings,
        feature_folder: Path,
        pictures: Iterable[Picture],
        progress: bool = False,
    ) -> dict[str, PictureError]:
        return Towers.open(settings, corpus, feature_folder).fill_pictures(pictures, progress)

    def export_layouts(self) -> Mapping[str, str]:
        return {"sentence-transformers": "module", "onnx": "onnx"}

    def export_limits(self) -> Sequence[str]:
        return [
            f"An item is cut to {self.settings.max_tokens} tokens, of which a picture counts for "
            f"{PICTURE_TOKENS}."
        ]
