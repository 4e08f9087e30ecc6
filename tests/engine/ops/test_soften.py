"""Soft masks: as wide as asked, above one half exactly where the logits are above zero."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from region_fields.engine.ops.soften import edge_slope, soften
from torch.nn import functional as F


def ramp(slope: float, side: int = 32) -> torch.Tensor:
    """Logits that rise by `slope` from one cell to the next, 0 in the middle."""
    return slope * (torch.arange(side) - (side - 1) / 2).expand(1, side, side).clone()


def width_of(strength: torch.Tensor) -> float:
    """Pixels from 0.1 to 0.9 along the middle row, between samples linearly."""
    row = strength[0, strength.shape[1] // 2]

    def crossing(level: float) -> float:
        i = int((row > level).nonzero()[0])
        return i - float((row[i] - level) / (row[i] - row[i - 1]))

    return crossing(0.9) - crossing(0.1)


@pytest.mark.parametrize("feather", [6.0, 20.0, 60.0])
@pytest.mark.parametrize("slope", [0.3, 4.0])
@pytest.mark.parametrize("size", [(320, 320), (200, 640)])
def test_an_edge_is_as_many_pixels_wide_as_asked(feather, slope, size):
    assert width_of(soften(ramp(slope), size, feather)) == pytest.approx(feather, rel=0.06)


@pytest.mark.parametrize("feather", [8.0, 24.0, 80.0, 160.0])
def test_a_feather_wider_than_the_logits_ramp_still_leaves_a_middle_and_an_outside(feather):
    """As a network's do, these logits level off, here 16 pixels from the edge."""
    logits = ramp(4.0, 64).clamp(-6, 6)
    strength = soften(logits, (640, 640), feather)
    assert width_of(strength) == pytest.approx(feather, rel=0.06)
    reach = round(1.2 * feather)
    assert float(strength[..., : 320 - reach].max()) < 0.02
    assert float(strength[..., 320 + reach :].min()) > 0.98


def test_a_narrow_feather_needs_no_distance_and_follows_the_logits_alone():
    logits = ramp(4.0, 64).clamp(-6, 6)
    full = F.interpolate(logits[None], (640, 640), mode="bilinear")[0]
    gain = 2 * math.log(9) / (10.0 * 0.4)
    torch.testing.assert_close(soften(logits, (640, 640), 10.0), torch.sigmoid(full * gain))


def test_the_feather_is_the_same_for_a_vertical_and_a_horizontal_edge():
    across = soften(ramp(2.0), (300, 300), 12.0)
    down = soften(ramp(2.0).transpose(1, 2), (300, 300), 12.0)
    torch.testing.assert_close(across, down.transpose(1, 2))


def test_the_scale_of_the_logits_does_not_matter():
    torch.manual_seed(0)
    logits = torch.randn(3, 16, 16)
    torch.testing.assert_close(soften(logits, (50, 60), 5.0), soften(7 * logits, (50, 60), 5.0))


def test_an_unsure_edge_is_softer_than_the_median_one():
    logits = ramp(4.0)
    logits[:, :8] /= 8  # the upper quarter is unsure
    strength = soften(logits, (320, 320), 10.0)
    assert width_of(strength[:, :60]) > 4 * width_of(strength[:, -60:])


def test_feather_zero_is_the_mask():
    torch.manual_seed(1)
    logits = torch.randn(2, 8, 8)
    full = F.interpolate(logits[None], (40, 30), mode="bilinear")[0]
    assert torch.equal(soften(logits, (40, 30), 0.0), (full > 0).float())


def test_a_mask_without_an_edge_is_all_or_nothing():
    logits = torch.stack([torch.full((4, 4), 3.0), torch.full((4, 4), -3.0)])
    assert soften(logits, (9, 9), 5.0).flatten(1).unique(dim=1).squeeze(1).tolist() == [1, 0]
    assert edge_slope(logits, (9, 9)).isnan().all()


def test_the_slope_is_in_logits_per_pixel_of_the_image():
    assert float(edge_slope(ramp(2.0), (32, 320))) == pytest.approx(0.2)


@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 40),
    st.integers(1, 40),
    st.floats(0, 50),
    st.integers(0, 10**6),
)
def test_strengths_stay_in_range_and_agree_with_the_mask(h, w, height, width, feather, seed):
    torch.manual_seed(seed)
    logits = 10 * torch.randn(2, h, w)
    before = logits.clone()
    strength = soften(logits, (height, width), feather)
    assert torch.equal(logits, before)
    assert strength.shape == (2, height, width)
    assert 0 <= float(strength.min()) <= float(strength.max()) <= 1
    full = F.interpolate(logits[None], (height, width), mode="bilinear")[0]
    clear = full.abs() > 1e-3
    assert torch.equal((strength > 0.5)[clear], (full > 0)[clear])
