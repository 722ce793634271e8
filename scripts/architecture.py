"""Picture of the architecture: docs/images/architecture.svg, drawn as plain SVG, the same bytes every time.

    python scripts/architecture.py

Three lanes: training, encoding and search, the service. A test compares the file with `draw()`.
"""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

FILE = Path(__file__).parent.parent / "docs" / "images" / "architecture.svg"
WIDTH, HEIGHT, MARGIN = 800, 624, 12
BOX, GAP, LEFT = 128, 26, 28
INK, GREY = "#1f2430", "#5b6270"
Lines = tuple[str, ...]


class Picture:
    """An SVG under construction: boxes, arrows and lanes, in the order they are drawn."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def lane(self, y: int, height: int, title: str, note: str, fill: str) -> None:
        """Draw the background of a lane, with its title and a sentence."""
        self.parts.append(
            f'<rect x="{MARGIN}" y="{y}" width="{WIDTH - 2 * MARGIN}" height="{height}" rx="10" '
            f'fill="{fill}"/>'
        )
        self.text(LEFT, y + 23, title, size=15, weight="bold", anchor="start")
        self.text(WIDTH - LEFT, y + 23, note, size=12.5, fill=GREY, anchor="end")

    def box(
        self, x: int, y: int, title: str, lines: Lines, colour: str, width: int = BOX, height: int = 76
    ) -> None:
        """Draw a box with a bold title and lines of detail."""
        self.parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="7" fill="#ffffff" '
            f'stroke="{colour}" stroke-width="1.6"/>'
        )
        top = y + (height - 16 * (len(lines) + 1)) / 2 + 12.5
        self.text(x + width / 2, top, title, size=13.5, weight="bold")
        for number, line in enumerate(lines, 1):
            self.text(x + width / 2, top + 16 * number, line, size=12.5, fill=GREY)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 12.5,
        fill: str = INK,
        weight: str = "normal",
        anchor: str = "middle",
    ) -> None:
        """Draw one line of text; y is its baseline."""
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" font-weight="{weight}" fill="{fill}" '
            f'text-anchor="{anchor}">{escape(text)}</text>'
        )

    def arrow(self, *points: tuple[float, float], dashed: bool = False) -> None:
        """Draw a line through the points with a head at its end."""
        path = " L ".join(f"{x:g} {y:g}" for x, y in points)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(
            f'<path d="M {path}" fill="none" stroke="{INK}" stroke-width="1.6"{dash} '
            'marker-end="url(#head)"/>'
        )

    def row(self, y: int, boxes: list[tuple[str, Lines]], colour: str) -> list[int]:
        """Draw boxes from left to right, joined by arrows; return the left edge of each."""
        edges = [LEFT + number * (BOX + GAP) for number in range(len(boxes))]
        for x, (title, lines) in zip(edges, boxes, strict=True):
            self.box(x, y, title, lines, colour)
        for x in edges[1:]:
            self.arrow((x - GAP + 2, y + 38), (x - 3, y + 38))
        return edges

    def svg(self, title: str) -> str:
        """Return the document."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
            f'height="{HEIGHT}" role="img" font-family="Helvetica, Arial, \'Liberation Sans\', sans-serif">'
        )
        marker = (
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            f'orient="auto"><path d="M 0 0 L 8 4 L 0 8 z" fill="{INK}"/></marker></defs>'
        )
        ground = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
        return "\n".join([head, f"<title>{escape(title)}</title>", marker, ground, *self.parts, "</svg>", ""])


def draw() -> str:
    """Return the picture."""
    picture = Picture()
    picture.lane(12, 138, "1  Train", "once per corpus: uninote train, uninote demo", "#eaf3ec")
    picture.lane(188, 146, "2  Embed and search", "every item, every query: one encoder", "#e9eff9")
    picture.lane(372, 240, "3  Serve", "uninote serve: HTTP API and console", "#fbf1e4")

    trained: list[tuple[str, Lines]] = [
        ("Notes", ("title, body,", "pictures, OCR")),
        ("Tasks", ("cut a note into", "query and target")),
        ("Hard negatives", ("similar but wrong,", "soft labels")),
        ("Warm-up", ("pictures meet", "descriptions")),
        ("Stages 1 and 2", ("contrastive, then", "ranking rewards")),
    ]
    edges = picture.row(56, trained, "#3f8f57")

    embedded: list[tuple[str, Lines]] = [
        ("Item", ("texts and pictures", "in order: a note,", "or a query")),
        ("Encoder", ("frozen towers,", "then a trained", "aggregator")),
        ("One vector", ("unit length;", "shorter prefixes", "work, too")),
        ("Store", ("PostgreSQL with", "pgvector, Milvus,", "or memory")),
        ("Search", ("highest cosine", "first: hits are", "ranked")),
    ]
    picture.row(236, embedded, "#3b6fc4")
    encoder, last = edges[1] + BOX / 2, edges[4] + BOX / 2
    picture.arrow((last, 133), (last, 169), (encoder + 14, 169), (encoder + 14, 234))
    picture.text((encoder + last) / 2 + 8, 164, "the trained model, with its version", fill=INK)

    online: list[tuple[str, Lines]] = [
        ("New note", ("POST /v1/notes", "or a Redis stream")),
        ("Embed", ("requests share", "batches")),
        ("Match", ("with the gallery:", "samples, thresholds")),
        ("Commit", ("note, vectors and", "matches at once")),
        ("Review", ("a person confirms", "or refutes")),
    ]
    picture.row(416, online, "#c47a1d")
    picture.arrow((encoder, 313), (encoder, 414))
    picture.text(encoder + 8, 356, "the same encoder", anchor="start")
    store = edges[3] + BOX / 2
    picture.arrow((store, 414), (store, 316))
    picture.text(store + 8, 356, "stored notes are searchable", anchor="start")

    wide = 2 * BOX + GAP
    picture.box(
        edges[0],
        536,
        "Backfill, in the background",
        ("stored notes, embedded again by a new model",),
        "#c47a1d",
        wide + 22,
        60,
    )
    picture.box(
        edges[2] + 22,
        536,
        "Back-check, in the background",
        ("stored notes against a new sample",),
        "#c47a1d",
        wide - 22,
        60,
    )
    picture.arrow((edges[1] + BOX / 2, 534), (edges[1] + BOX / 2, 494), dashed=True)
    picture.arrow((edges[2] + BOX / 2, 494), (edges[2] + BOX / 2, 534), dashed=True)
    picture.arrow((edges[4] - GAP, 566), (last - 20, 566), (last - 20, 494), dashed=True)
    picture.arrow(
        (last + 42, 492),
        (last + 42, 512),
        (WIDTH - 6, 512),
        (WIDTH - 6, 94),
        (edges[4] + BOX + 3, 94),
        dashed=True,
    )
    picture.text(last - 10, 536, "verdicts are", anchor="start")
    picture.text(last - 10, 552, "training data", anchor="start")
    picture.text(edges[4] - GAP + 6, 584, "matches to review", anchor="start")
    return picture.svg("UniNote: training, one encoder with store and search, and the service")


if __name__ == "__main__":
    FILE.write_text(draw(), "utf-8")
