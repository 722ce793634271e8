"""Generated notes that repeat pictures, descriptions, OCR texts and titles, in many forms."""

from __future__ import annotations

import hashlib
import random
import unicodedata

from uninote.items import Item, Note, Ocr, Picture
from uninote.tasks.definitions import Pair

SAME = ("a cat on a mat", "Café Zürich", "雨の東京。", "screenshot", "SALE 50% off")


def plain(text: str) -> str:
    """Normalise by other means than the code under test."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(folded.split()).rstrip(".!?。")


def forms(text: str, rng: random.Random) -> str:
    """Return the text in another letter case, Unicode form, spacing or with a full stop."""
    text = rng.choice([str, str.upper, str.lower])(text)
    text = unicodedata.normalize(rng.choice(["NFC", "NFD", "NFKC"]), text)
    return (
        rng.choice(["", " "]) + text.replace(" ", rng.choice([" ", "  ", "\t"])) + rng.choice(["", ".", " "])
    )


def repeated_notes(seed: int, count: int = 6) -> list[Note]:
    """Return notes whose pictures, captions, OCR texts, titles and bodies are drawn from few values."""
    rng = random.Random(seed)

    def picture() -> Picture:
        data = str(rng.randrange(8)).encode()
        description = forms(rng.choice(SAME), rng) if rng.random() < 0.9 else ""
        ocr = tuple(forms(rng.choice(SAME), rng) for _ in range(rng.randrange(2)))
        return Picture(hashlib.sha256(data).hexdigest(), None, data, description, ocr)

    return [
        Note(
            f"n{number}",
            forms(rng.choice(SAME), rng) if rng.random() < 0.3 else f"Title {number}",
            forms(rng.choice(SAME), rng) if rng.random() < 0.3 else f"Body {rng.randrange(4)}",
            tuple(picture() for _ in range(rng.randrange(1, 5))),
        )
        for number in range(count)
    ]


def held(item: Item) -> set[str]:
    """Return what an item holds: digests, and plain texts of its parts and of their annotations."""
    found = set()
    for part in item.parts:
        lines = part.split("\n") if isinstance(part, Ocr) else []
        if isinstance(part, Picture):
            found.add(part.digest)
            lines = [part.description, part.ocr_text, *(part.ocr or ())]
        else:
            lines.append(part)
        found |= {plain(line) for line in lines}
    return found - {""}


def answers(pair: Pair, item: Item) -> bool:
    """Return whether an item holds the query or the positive of its pair, or is held by the query."""
    source, _, target = pair.task.name.rpartition("2")
    ends = [pair.query] if source != "NOTE" else []
    if target != "NOTE":
        ends.append(pair.positive)
        if identity(item) & held(pair.query):
            return True
    return any(identity(end) & held(item) for end in ends)


def identity(item: Item) -> set[str]:
    (part,) = item.parts
    return {part.digest if isinstance(part, Picture) else plain(part)}
