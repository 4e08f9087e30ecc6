"""Long work in pieces that memory allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from .checks import InputError

T = TypeVar("T")

_OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")


def in_chunks(
    count: int, length: int, work: Callable[[slice], T], advice: str
) -> Iterator[tuple[slice, T]]:
    """Yield (part, work(part)) for parts of 0..count-1, each of at most `length` items.

    Where memory runs out the part is halved and tried again. Raises InputError with `advice`
    where it runs out for a single item.
    """
    start, length = 0, max(1, length)
    while start < count:
        part = slice(start, min(start + length, count))
        try:
            result = work(part)
        except (MemoryError, RuntimeError) as error:
            if not ran_out_of_memory(error):
                raise
            if length == 1:
                raise InputError(f"Out of memory. {advice}") from error
            length = max(1, min(length, part.stop - start) // 2)
        else:
            yield part, result
            start = part.stop
            continue
        _release()


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that a device or the host has no memory left."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(
        phrase in str(error).lower() for phrase in _OUT_OF_MEMORY
    )


def _release() -> None:
    """Give cached device memory back, once nothing refers to the failed attempt any more."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
