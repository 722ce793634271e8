"""Halving of a note: disjoint parts of its pictures and text, and the ideal ranking (method, section 3)."""

from __future__ import annotations

import random
from itertools import chain

from uninote.items import Item, Note, compose, joined
from uninote.tasks.chunks import SENTENCE_END


def halve(note: Note, seed: int, max_relevant: int = 6) -> tuple[Item, tuple[Item, ...]] | None:
    """Return `N_A` and `L_rel`, best first, of a note split into two disjoint halves.

        L_rel = [N_B ∪ {I^A_1..I^A_M'}, …, N_B ∪ {I^A_1}, N_B],   M' = min(|A|, max_relevant − 1)

    * Pictures are dealt to the halves at random, each followed by its OCR text. Occurrences of the same
      picture stay together, as do the frames of a video (`joined`), and a half keeps the note's order.
      Descriptions are not embedded.
    * The body is cut at the sentence end nearest its middle. Each piece, and the title, goes to a random
      half. A body of one sentence goes to one half and the title to the other.
    * The same note and seed yield the same halves.

    Returns None when there are fewer than two distinct pictures, or no text for each half.
    """
    rng = random.Random(f"{seed}:{note.id}")
    units = [(tuple(one.digest for one in unit), unit) for unit in joined(note.pictures)]
    digests = list(dict(units))
    texts = _split_text(note, rng)
    if len(digests) < 2 or texts is None:
        return None
    rng.shuffle(digests)
    of_a = set(digests[: len(digests) // 2 + rng.randrange(2) * (len(digests) % 2)])
    a = [unit for key, unit in units if key in of_a]
    b = [unit for key, unit in units if key not in of_a]
    added = list({key: unit for key, unit in units if key in of_a}.values())[: max_relevant - 1]
    relevant = [compose(texts[1], chain(*b, *added[:count])) for count in range(len(added), -1, -1)]
    return compose(texts[0], chain(*a)), tuple(relevant)


def _split_text(note: Note, rng: random.Random) -> tuple[list[str], list[str]] | None:
    """Return the texts of A and those of B, each with at least one non-blank text, or None."""
    title, body = note.title.strip(), note.body.strip()
    cuts = [match.end() for match in SENTENCE_END.finditer(body) if match.end() < len(body)]
    if cuts:
        middle = min(cuts, key=lambda cut: abs(2 * cut - len(body)))
        sides = ([body[:middle].rstrip()], [body[middle:]])
        if title:
            sides[rng.randrange(2)].insert(0, title)
    elif title and body:
        sides = ([title], [body])
    else:
        return None
    return sides if rng.random() < 0.5 else (sides[1], sides[0])
