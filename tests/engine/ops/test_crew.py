"""Work side by side: the same results in the same order, and nothing left behind."""

from threading import Barrier, current_thread
from threading import enumerate as enumerate_threads

import pytest
import torch
from region_fields.engine import InputError
from region_fields.engine.ops.crew import Crew


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    assert torch.get_num_threads() == 2
    assert not [t for t in enumerate_threads() if t.name.startswith("region-fields")]
    torch.set_num_threads(before)


def nothing() -> None: ...


def numbers(part: slice, pause) -> list[int]:
    return list(range(part.start, part.stop))


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize(("count", "length"), [(0, 3), (1, 3), (7, 3), (9, 3), (50, 1)])
def test_parts_come_in_order_whoever_works(workers, count, length):
    with Crew(workers) as crew:
        parts = list(crew.in_chunks(count, length, numbers, "", nothing))
    assert [n for _, result in parts for n in result] == list(range(count))
    assert all(result == numbers(part, nothing) for part, result in parts)
    assert max((len(result) for _, result in parts), default=0) <= length


def test_two_pieces_are_in_work_at_once():
    together = Barrier(2, timeout=30)
    with Crew(2) as crew:
        waited = crew.in_chunks(4, 1, lambda part, pause: together.wait(), "", nothing)
        assert sorted(place for _, place in waited) == [0, 0, 1, 1]


@pytest.mark.parametrize("workers", [1, 2])
def test_work_takes_denormals_for_zero_and_the_caller_does_not_afterwards(workers):
    def shrunk(part, pause) -> float:
        return float(torch.full((64,), 2e-38).mul(0.1).max())

    if not torch.set_flush_denormal(False):
        pytest.skip("This processor can't be told to.")
    with Crew(workers) as crew:
        assert [value for _, value in crew.in_chunks(4, 1, shrunk, "", nothing)] == [0] * 4
    assert shrunk(slice(0), nothing) > 0


def test_no_more_are_in_work_than_allowed():
    seen = set()
    with Crew(4) as crew:
        work = crew.in_chunks(
            8, 1, lambda part, pause: seen.add(current_thread().name), "", nothing, at_once=1
        )
        assert len(list(work)) == 8
    assert seen == {current_thread().name}


def test_each_works_on_one_thread_in_the_callers_mode():
    def mode(part, pause):
        return torch.get_num_threads(), torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    for inference, gradients in ((True, False), (False, False), (False, True)):
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients), Crew(2) as crew:
            modes = {result for _, result in crew.in_chunks(4, 1, mode, "", nothing)}
        assert modes == {(1, inference, gradients)}


def test_pieces_that_go_one_after_the_other_have_all_threads():
    with Crew(2) as crew:
        used = crew.in_chunks(
            4, 2, lambda part, pause: torch.get_num_threads(), "", nothing, at_once=1
        )
        assert [(count, torch.get_num_threads()) for _, count in used] == [(2, 1), (2, 1)]


def test_a_single_piece_has_one_thread_however_many_there_are():
    with Crew(2) as crew:
        used = crew.in_chunks(2, 2, lambda part, pause: torch.get_num_threads(), "", nothing)
        assert [count for _, count in used] == [1]


def test_where_memory_runs_out_the_rest_goes_alone_in_halves():
    done = []

    def work(part, pause):
        if part.stop - part.start > 2 and part.start >= 4:
            raise MemoryError
        done.append(part)
        return part

    with Crew(2) as crew:
        parts = [part for part, _ in crew.in_chunks(14, 4, work, "", nothing)]
    assert parts[0] == slice(0, 4)
    assert [part.start for part in parts[1:]] == [4, 6, 8, 10, 12]


def test_running_out_for_one_item_says_what_to_do():
    def work(part, pause):
        raise MemoryError

    with pytest.raises(InputError, match="Buy more"), Crew(2) as crew:
        list(crew.in_chunks(8, 2, work, "Buy more.", nothing))


def test_an_error_comes_to_the_caller_as_it_is():
    def work(part, pause):
        raise ZeroDivisionError(str(part.start))

    with pytest.raises(ZeroDivisionError, match="0"), Crew(2) as crew:
        list(crew.in_chunks(8, 2, work, "", nothing))


def test_the_caller_is_asked_while_it_waits_and_may_stop_the_others():
    """Work that would last for ever ends, because its own `pause` raises."""
    asked = []

    def forever(part, pause):
        while True:
            pause()

    def ask():
        asked.append(current_thread().name)
        if len(asked) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Crew(2) as crew:
        list(crew.in_chunks(8, 1, forever, "", ask))
    assert set(asked) == {current_thread().name}


def test_a_device_with_its_own_order_of_work_has_a_crew_of_one():
    assert Crew.for_device(torch.device("meta")).count == 1
    assert Crew.for_device(torch.device("cpu")).count == 2
