"""Long work in pieces that memory allows."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from .checks import InputError

T = TypeVar("T")

_ON_DEVICE = 1 << 24

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


@contextmanager
def explained(message: str) -> Iterator[None]:
    """Raise InputError with `message` where memory runs out within."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if ran_out_of_memory(error):
            raise InputError(message) from error
        raise


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


def give_back() -> None:
    """Return the host's freed memory to the system, where the C library can (glibc's).

    It keeps what one thread freed for that thread, so others' work would come on top of it.
    """
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)


def at_once(device: torch.device, in_cache: int) -> int:
    """How many pixels a chain of pointwise steps takes together.

    On the CPU `in_cache`, so that what one step leaves is still in the cache for the next; on other
    devices many, because there it is the starting of steps that costs.
    """
    return in_cache if device.type == "cpu" else _ON_DEVICE


def new_planes(shape: Sequence[int], device: torch.device) -> Tensor:
    """float32, not initialised.

    On the CPU from numpy, which asks the system for large pages: a page fault for every 4 KiB, as
    torch's allocator leaves them, costs more than the arithmetic of a field.
    """
    if device.type == "cpu":
        return torch.from_numpy(np.empty(tuple(shape), np.float32))
    return torch.empty(tuple(shape), device=device)
