import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from region_fields.engine.ops import upsample
from region_fields.engine.ops.bits import pack_bits, unpack_bits
from region_fields.engine.ops.upsample import upsample_masks
from torch.nn import functional as F


def smooth_logits(count: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    """Noise blurred to blobs of a few samples, of the spread that a mask decoder's logits have."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn((count, 1, height + 4, width + 4), generator=generator)
    blurred = F.avg_pool2d(noise, 5, 1)[:, 0]
    return 8 * blurred / blurred.std()


def interpolated(logits: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(logits[:, None], size, mode="bilinear", align_corners=False)[:, 0]


def assert_like_interpolate(logits, size, threshold=0.0, offset=1.0) -> None:
    """Equal but for pixels within rounding of a threshold."""
    got = upsample_masks(logits, size, threshold, offset)
    full = interpolated(logits, size)
    masks = unpack_bits(got.packed, size[1])
    tie = (full - threshold).abs() < 1e-5
    assert ((masks == (full > threshold)) | tie).all()
    for counted, level in ((got.above, threshold + offset), (got.below, threshold - offset)):
        ties = ((full - level).abs() < 1e-5).sum((1, 2))
        assert ((counted - (full > level).sum((1, 2))).abs() <= ties).all()


@given(
    samples=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    size=st.tuples(st.integers(1, 200), st.integers(1, 200)),
    seed=st.integers(0, 1000),
    threshold=st.sampled_from([0.0, -2.0, 1.5]),
    offset=st.sampled_from([0.0, 1.0, 4.0]),
)
def test_agrees_with_interpolate_for_every_size(samples, size, seed, threshold, offset):
    assert_like_interpolate(smooth_logits(2, *samples, seed), size, threshold, offset)


@pytest.mark.parametrize("size", [(1024, 1024), (683, 1025), (1080, 1920), (300, 77)])
def test_agrees_with_interpolate_at_photo_sizes(size):
    assert_like_interpolate(smooth_logits(3, 64, 64), size)


def test_agrees_with_interpolate_on_noise_where_no_tile_is_settled():
    logits = torch.randn((2, 32, 32), generator=torch.Generator().manual_seed(0))
    assert_like_interpolate(logits, (200, 300))


def test_a_batch_gives_what_its_masks_give():
    logits = smooth_logits(4, 16, 16)
    together = upsample_masks(logits, (50, 90))
    for i in range(4):
        alone = upsample_masks(logits[i : i + 1], (50, 90))
        assert torch.equal(alone.packed[0], together.packed[i])
        assert alone.above[0] == together.above[i]
        assert alone.below[0] == together.below[i]


def test_working_memory_changes_no_result_on_any_device(monkeypatch):
    logits = smooth_logits(5, 16, 16)
    wanted = upsample_masks(logits, (90, 130))
    monkeypatch.setattr(upsample, "on_host", lambda tensor: False)
    for working_bytes in (1, 1 << 14, 1 << 30):
        got = upsample_masks(logits, (90, 130), working_bytes=working_bytes)
        assert torch.equal(got.packed, wanted.packed)
        assert torch.equal(got.above, wanted.above)
        assert torch.equal(got.below, wanted.below)


def test_no_masks_give_no_masks():
    got = upsample_masks(torch.zeros((0, 16, 16)), (20, 30))
    assert got.packed.shape == (0, 20, 4)
    assert got.above.shape == got.below.shape == (0,)


def test_logits_are_not_modified():
    logits = smooth_logits(1, 16, 16)
    before = logits.clone()
    upsample_masks(logits, (40, 40))
    assert torch.equal(logits, before)


def test_bits_past_the_width_are_zero():
    got = upsample_masks(torch.ones((1, 4, 4)), (3, 13))
    assert torch.equal(got.packed, pack_bits(torch.ones((1, 3, 13), dtype=torch.bool)))
    assert got.above.tolist() == [0]
    assert got.below.tolist() == [39]
