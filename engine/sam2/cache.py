"""Embeddings kept for images seen before, as many as fit a budget."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import TYPE_CHECKING

from torch import Tensor

from ..ops.checks import check_image

if TYPE_CHECKING:
    from .model import Embedding

DEFAULT_BUDGET = 256 << 20


class EmbeddingCache:
    """Embeddings by the content of their image, the least recently used dropped first.

    budget: bytes that the kept embeddings may take together (one of a 1024-pixel network takes
    16.8 MB); an embedding larger than that is never kept. Safe to use from several threads.
    """

    def __init__(self, budget: int = DEFAULT_BUDGET) -> None:
        self.budget = budget
        self._kept: OrderedDict[Hashable, Embedding] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Bytes that the kept embeddings take."""
        return sum(embedding.nbytes for embedding in self._kept.values())

    def get(self, image: Tensor, how: Hashable, embed: Callable[[Tensor], Embedding]) -> Embedding:
        """The kept embedding of `image` made in the way `how`, else what `embed(image)` gives.

        image: float (H, W, 3 or 4); only the values of its first three channels count, not
        which tensor holds them.
        """
        key = (how, image_key(image))
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
                return kept
        made = embed(image)
        with self._lock:
            self._kept[key] = made
            self._kept.move_to_end(key)
            while self._kept and self.nbytes > self.budget:
                self._kept.popitem(last=False)
        return made

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._kept.clear()


def image_key(image: Tensor) -> tuple[tuple[int, ...], bytes]:
    """The size of an image and the SHA-256 of its first three channels as float32."""
    pixels = check_image(image).detach().cpu().contiguous()
    return tuple(pixels.shape), hashlib.sha256(pixels.numpy().data.cast("B")).digest()
