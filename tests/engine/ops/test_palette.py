from __future__ import annotations

import numpy as np
import torch
from region_fields.engine.ops.palette import distinct_colours, heat_colours, heat_table
from skimage.color import deltaE_ciede2000, rgb2lab


def test_a_colour_depends_on_its_number_alone():
    alone = distinct_colours(torch.tensor([7]))
    assert torch.equal(distinct_colours(torch.arange(40))[7], alone[0])


def test_the_first_twenty_four_colours_are_told_apart_by_eye():
    lab = rgb2lab(distinct_colours(torch.arange(24)).numpy())
    apart = deltaE_ciede2000(lab[:, None], lab[None]) + 100 * np.eye(24)
    assert apart.min() > 5, "two colours look alike"


def test_neighbouring_numbers_have_clearly_different_colours():
    lab = rgb2lab(distinct_colours(torch.arange(200)).numpy())
    assert deltaE_ciede2000(lab[1:], lab[:-1]).min() > 20


def test_heat_lightness_rises_in_even_steps():
    lightness = rgb2lab(heat_table(65).numpy())[:, 0]
    steps = np.diff(lightness)
    assert steps.min() > 0
    assert steps.max() / steps.mean() < 1.6


def test_heat_clamps_strengths_outside_zero_to_one():
    assert torch.equal(
        heat_colours(torch.tensor([-3.0, 4.0])), heat_colours(torch.tensor([0.0, 1.0]))
    )


def test_colours_stay_in_gamut():
    for colours in (distinct_colours(torch.arange(500)), heat_table()):
        assert colours.min() >= 0
        assert colours.max() <= 1
        assert colours.dtype == torch.float32
