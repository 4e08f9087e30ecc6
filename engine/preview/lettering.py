"""Words on pictures, in Pillow's built-in font; what it lacks, in one that the system has."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

Word = tuple[float, float, str]
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_ROWS_AT_ONCE = 256
# Fonts of Linux, macOS and Windows for what isn't ASCII, as Pillow finds them by name.
_OTHER_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "Arial Unicode.ttf",
    "arial.ttf",
    "msyh.ttc",
    "YuGothM.ttc",
    "malgun.ttf",
)
_NO_CHARACTER = "\uffff"


def letter(picture: Tensor, words: Sequence[Word], size: int) -> Tensor:
    """Write white words with a dark rim; returns a new picture, float32 (H, W, 3).

    picture: float (H, W, 3) in [0, 1]. words: (x, y, text), pixels, where the word's middle goes;
    a word that would leave the picture is moved inside. size: letter height in pixels.
    """
    if not words:
        return picture.clone()
    height, width = picture.shape[:2]
    ink, rim = Image.new("L", (width, height)), Image.new("L", (width, height))
    stroke = max(1, size // 8)
    on_rim, on_ink = ImageDraw.Draw(rim), ImageDraw.Draw(ink)
    for x, y, word in words:
        text, font = _set(word, size)
        left, top, right, bottom = on_rim.textbbox(
            (0, 0), text, font=font, anchor="mm", stroke_width=stroke
        )
        at = (_within(x, -left, right, width), _within(y, -top, bottom, height))
        on_rim.text(at, text, fill=255, font=font, anchor="mm", stroke_width=stroke)
        on_ink.text(at, text, fill=255, font=font, anchor="mm")
    lettered = picture.clone()
    rim_rows, ink_rows = (torch.from_numpy(np.array(image)) for image in (rim, ink))
    for top in range(0, height, _ROWS_AT_ONCE):
        rows = slice(top, top + _ROWS_AT_ONCE)
        part = lettered[rows]
        part.mul_(1 - 0.85 * _share(rim_rows[rows], part))
        part.lerp_(torch.ones_like(part), _share(ink_rows[rows], part).expand_as(part))
    return lettered


def text_size(text: str, size: int) -> tuple[int, int]:
    """Width and height in pixels that a word takes."""
    text, font = _set(text, size)
    left, top, right, bottom = font.getbbox(text, anchor="mm")
    return round(right - left), round(bottom - top)


def _set(text: str, size: int) -> tuple[str, _Font]:
    """What to write for a word, and the font that has all of it.

    Where no font does, letters lose their accents, and what is still missing shows as a box.
    """
    own = ImageFont.load_default(size)
    if text.isascii():
        return text, own
    for font in _other_fonts(size):
        if _has(font, text):
            return text, font
    plain = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return "".join(plain), own


@lru_cache(maxsize=32)
def _other_fonts(size: int) -> list[_Font]:
    found: list[_Font] = []
    for name in _OTHER_FONTS:
        try:
            found.append(ImageFont.truetype(name, size))
        except OSError:
            continue
    return found


def _has(font: _Font, text: str) -> bool:
    missing = bytes(font.getmask(_NO_CHARACTER))
    return all(bytes(font.getmask(c)) != missing for c in set(text) if not c.isspace())


def _within(middle: float, before: float, after: float, length: int) -> float:
    return min(max(middle, before), max(length - after, before))


def _share(drawn: Tensor, like: Tensor) -> Tensor:
    """What was drawn, uint8 (h, W), as shares (h, W, 1) of the type and device of `like`."""
    return (drawn.to(torch.float32) / 255)[..., None].to(like.device, like.dtype)
