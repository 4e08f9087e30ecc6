"""Colour conversions against scikit-image and published values."""

from __future__ import annotations

import numpy as np
import torch
from region_fields.engine.ops.colour import (
    linear_to_srgb,
    luminance,
    oklab_to_srgb,
    srgb_to_linear,
    srgb_to_oklab,
)
from skimage.color import rgb2xyz


def colours(count=500):
    return torch.rand((count, 3), generator=torch.Generator().manual_seed(0))


def test_linear_light_and_luminance_are_those_of_scikit_image():
    srgb = colours()
    wanted = rgb2xyz(srgb.double().numpy())[:, 1]
    np.testing.assert_allclose(luminance(srgb_to_linear(srgb)), wanted, atol=1e-4)


def test_going_there_and_back_changes_nothing():
    srgb = colours()
    torch.testing.assert_close(linear_to_srgb(srgb_to_linear(srgb)), srgb, rtol=0, atol=1e-6)
    torch.testing.assert_close(oklab_to_srgb(srgb_to_oklab(srgb)), srgb, rtol=0, atol=2e-5)


def test_values_outside_the_range_survive():
    wide = torch.tensor([-0.5, -0.01, 1.5, 4.0])
    torch.testing.assert_close(linear_to_srgb(srgb_to_linear(wide)), wide)


def test_oklab_has_its_published_values():
    # Of sRGB white, red, green and blue: B. Ottosson, "A perceptual color space", 2020.
    srgb = torch.tensor([[1.0, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    published = torch.tensor(
        [
            [1.0, 0.0, 0.0],
            [0.627955, 0.224863, 0.125846],
            [0.866440, -0.233888, 0.179498],
            [0.452014, -0.032457, -0.311528],
        ]
    )
    torch.testing.assert_close(srgb_to_oklab(srgb), published, rtol=0, atol=1e-4)
