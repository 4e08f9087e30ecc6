"""What many prompts see: views of the image, each for a few prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .folded import Message, Question
from .image_views import Own, Plain, View, few


@dataclass(frozen=True, eq=False)
class Images:
    """What P prompts see, in order: views and the number of prompts of each."""

    views: tuple[tuple[int, View], ...]

    @classmethod
    def plain(cls, plain: Plain, count: int, rows: int) -> Images:
        """Of prompts with `rows` R each; those that will be `Grown` stay together."""
        if plain.grows(rows):
            return cls(((count, plain),))
        return cls(tuple((p.stop - p.start, plain) for p in few(count, plain.image)))

    @classmethod
    def own(cls, images: Tensor, plain: Plain) -> Images:
        """Of images (P, N, C) in plain.dtype, in the place of the plain one."""
        parts = few(len(images), plain.image)
        return cls(tuple((p.stop - p.start, Own(images[p], plain)) for p in parts))

    @property
    def parts(self) -> list[tuple[slice, View]]:
        """Which prompts see which view."""
        found, start = [], 0
        for count, view in self.views:
            found.append((slice(start, start + count), view))
            start += count
        return found

    @property
    def keys(self) -> list[Tensor]:
        """Image tokens (p, N, C) of some prompts after others, all P together."""
        return [view.keys for _, view in self.views if not isinstance(view, Plain)]

    def read(self, attention: Any, tokens: Tensor) -> Tensor:
        """What tokens (P, T, C) read of the images, (P, T, C)."""
        question = Question.of(attention, tokens)
        return question.answer([view.read(question[part]) for part, view in self.parts])

    def write_and_read(
        self, message: Message, norm: Any, attention: Any, tokens: Tensor
    ) -> tuple[Images, Tensor]:
        """The images after they read a message, and what tokens read of them then.

        Both for a few prompts before the next few: an image is in the cache when it is read. Uses
        the images up.
        """
        question, views, found = Question.of(attention, tokens), [], []
        for part, view in self.parts:
            written = view.write(message[part], norm)
            views.append((part.stop - part.start, written))
            found.append(written.read(question[part]))
        return Images(tuple(views)), question.answer(found)

    def take(self, prompts: Tensor) -> Images:
        """Of some of the prompts, int64 (K,) on the CPU, rising."""
        views: list[tuple[int, View]] = []
        for part, view in self.parts:
            rows = prompts[(prompts >= part.start) & (prompts < part.stop)] - part.start
            if not isinstance(view, Plain) and 0 < len(rows) < part.stop - part.start:
                view = view.take(rows)
            if len(rows):
                views.append((len(rows), view))
        return Images(tuple(views))
