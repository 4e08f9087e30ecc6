"""Pieces of long work side by side on the CPU's cores.

An operation of torch's on a piece small enough for the cache gains little from being divided among
threads; whole pieces on a core each gain nearly all there is, as torch and numpy release Python's
lock while they compute.

Work takes denormal numbers, those below 1e-38, for zero. A sharp softmax is full of them, and x86
processors compute with one many times as slowly as with others.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from threading import Event
from types import TracebackType
from typing import TypeVar

import torch

from .chunks import in_chunks, ran_out_of_memory

T = TypeVar("T")

Pause = Callable[[], None]
"""Called now and then by work; it may raise to interrupt."""

_LOOK_EVERY = 0.1  # seconds


class Crew:
    """Threads that work on pieces, one thread of torch's each; a context.

    count: how many at most. Within the context, where there are several, torch's operations run on
    one thread, but for pieces of which memory has room for one at a time: these have all of
    torch's threads. When it ends all have stopped and torch's number of threads is what it was.
    """

    def __init__(self, count: int) -> None:
        self.count = max(1, count)
        self._stop = Event()
        self._pools: list[ThreadPoolExecutor] = []

    @classmethod
    def for_device(cls, device: torch.device) -> Crew:
        """As many as torch has threads, for the CPU; one for devices with their own order of work.

        One, too, where torch's threads can't be set: it is built with OpenMP nearly everywhere.
        """
        several = device.type == "cpu" and "OpenMP" in torch.__config__.parallel_info()
        return cls(torch.get_num_threads() if several else 1)

    def __enter__(self) -> Crew:
        self._threads = torch.get_num_threads()
        self._divide_operations(False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for pool in self._pools:
            pool.shutdown(cancel_futures=True)
        self._divide_operations(True)

    def _divide_operations(self, among_threads: bool) -> None:
        """Whether torch divides the caller's operations among its threads."""
        if self.count > 1:
            torch.set_num_threads(self._threads if among_threads else 1)

    def in_chunks(
        self,
        count: int,
        length: int,
        work: Callable[[slice, Pause], T],
        advice: str,
        pause: Pause,
        *,
        at_once: int | None = None,
    ) -> Iterator[tuple[slice, T]]:
        """As `ops.chunks.in_chunks`, parts in order, with up to `at_once` of them in work.

        work(part, pause) may run on any thread, and its `pause` raises once the crew was told to
        stop. The `pause` given here is called on the caller's thread alone, every tenth of a second
        while it waits. Where memory runs out the rest goes one after the other. What parts there
        are doesn't depend on how many work, and nor does a result, unless `at_once` is below 2.
        """
        side_by_side = self.count if at_once is None else min(self.count, at_once)
        tight = side_by_side < 2
        done = 0
        if side_by_side > 1:
            for part, result in self._ahead(count, max(1, length), work, pause, side_by_side):
                done = part.stop
                yield part, result

        def alone(part: slice) -> T:
            self._divide_operations(tight)
            try:
                with denormals_as_zero():
                    return work(_moved(part, done), pause)
            finally:
                self._divide_operations(False)

        for part, result in in_chunks(count - done, length, alone, advice):
            yield _moved(part, done), result

    def _ahead(
        self,
        count: int,
        length: int,
        work: Callable[[slice, Pause], T],
        pause: Pause,
        side_by_side: int,
    ) -> Iterator[tuple[slice, T]]:
        """Parts in order until all are done or memory runs out.

        One part more than can be in work is handed out, so that no thread waits for the caller.
        """
        pool = ThreadPoolExecutor(side_by_side, "region-fields", _one_thread_without_denormals)
        self._pools.append(pool)
        parts = iter([slice(at, min(at + length, count)) for at in range(0, count, length)])
        run = _in_this_mode(work, self._alive)
        handed: deque[tuple[slice, Future[T]]] = deque()

        def hand_out(some: int) -> None:
            handed.extend((part, pool.submit(run, part)) for part in islice(parts, some))

        hand_out(side_by_side + 1)
        while handed:
            part, first = handed.popleft()
            while not wait([first], _LOOK_EVERY).done:
                pause()
            if _lacked_memory(first):
                pool.shutdown(cancel_futures=True)
                return
            hand_out(1)
            yield part, first.result()

    def _alive(self) -> None:
        if self._stop.is_set():
            raise InterruptedError("The crew was told to stop.")


@contextmanager
def denormals_as_zero() -> Iterator[None]:
    """Take denormal numbers for zero on this thread, where its processor can."""
    before = sys.float_info.min / 2 == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _one_thread_without_denormals() -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def _lacked_memory(future: Future[T]) -> bool:
    error = future.exception()
    return error is not None and ran_out_of_memory(error)


def _in_this_mode(work: Callable[[slice, Pause], T], pause: Pause) -> Callable[[slice], T]:
    """`work` with gradients and inference mode as they are on the present thread."""
    inference, gradients = torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    def run(part: slice) -> T:
        pause()
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
            return work(part, pause)

    return run


def _moved(part: slice, by: int) -> slice:
    return slice(part.start + by, part.stop + by)
