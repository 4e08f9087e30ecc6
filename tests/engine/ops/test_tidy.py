"""Clean-up of packed masks, against the clean-up of plain ones (which scikit-image checks)."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from region_fields.engine.ops import tidy as module
from region_fields.engine.ops.bits import pack_bits, unpack_bits
from region_fields.engine.ops.components import fill_small_holes, remove_small_islands
from region_fields.engine.ops.tidy import tidy


def nothing() -> None: ...


@given(
    height=st.integers(1, 24),
    width=st.integers(1, 70),
    area=st.integers(0, 60),
    filled=st.floats(0, 1),
    grain=st.integers(1, 4),
    seed=st.integers(0, 2**31),
)
def test_packed_clean_up_is_that_of_plain_masks(height, width, area, filled, grain, seed):
    noise = torch.rand(height, width, generator=torch.Generator().manual_seed(seed))
    coarse = noise[::grain, ::grain].repeat_interleave(grain, 0).repeat_interleave(grain, 1)
    mask = coarse[:height, :width] < filled
    packed = pack_bits(mask)
    before = packed.clone()
    wanted = remove_small_islands(fill_small_holes(mask, area), area)
    got = tidy(packed, width, area, nothing)
    assert torch.equal(unpack_bits(got, width), wanted)
    assert torch.equal(got, pack_bits(wanted))
    assert torch.equal(packed, before)


def test_rows_in_bands_give_what_all_at_once_give(monkeypatch):
    mask = torch.rand(50, 90, generator=torch.Generator().manual_seed(3)) < 0.5
    whole = tidy(pack_bits(mask), 90, 30, nothing)
    calls: list[int] = []
    monkeypatch.setattr(module, "_PIXELS_AT_ONCE", 200)
    assert torch.equal(tidy(pack_bits(mask), 90, 30, lambda: calls.append(0)), whole)
    assert len(calls) > 20


def test_it_can_be_interrupted():
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tidy(pack_bits(torch.ones(4, 9, dtype=torch.bool)), 9, 3, stop)
