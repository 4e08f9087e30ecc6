"""The magic wand against flood fill, and its soft edge."""

import numpy as np
import pytest
import torch
from region_fields.engine import InputError
from region_fields.engine.ops.colour import linear_to_srgb, srgb_to_oklab
from region_fields.engine.wand import magic_wand
from skimage.segmentation import flood


def noisy(seed: int = 0) -> torch.Tensor:
    coarse = torch.rand((1, 3, 6, 8), generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.interpolate(coarse, size=(60, 80), mode="bilinear")
    return smooth[0].movedim(0, -1)


@pytest.mark.parametrize("tolerance", [0.03, 0.08, 0.2])
def test_contiguous_is_what_a_flood_fill_takes(tolerance):
    image = noisy()
    lab = srgb_to_oklab(image)
    within = (lab - lab[40, 25]).norm(dim=-1) <= tolerance
    got = magic_wand(image, (25, 40), tolerance, antialias=False)
    np.testing.assert_array_equal(got[0].numpy() > 0, flood(within.numpy(), (40, 25)))
    everywhere = magic_wand(image, (25, 40), tolerance, contiguous=False, antialias=False)
    np.testing.assert_array_equal(everywhere[0].numpy() > 0, within.numpy())


@pytest.mark.parametrize("contiguous", [True, False])
def test_the_soft_edge_ends_at_a_half_where_the_hard_mask_ends(contiguous):
    soft = magic_wand(noisy(), (25, 40), 0.1, contiguous=contiguous)
    hard = magic_wand(noisy(), (25, 40), 0.1, contiguous=contiguous, antialias=False)
    assert torch.equal(soft > 0.5, hard > 0.5) or torch.equal(soft >= 0.5, hard > 0.5)
    assert ((soft > 0) & (soft < 1)).any()
    assert soft.min() == 0
    assert soft.max() == 1


def test_an_even_ramp_gives_the_share_of_the_pixel_within():
    light = torch.linspace(0, 1, 21)[None, :].expand(5, -1)
    grey = linear_to_srgb(light.pow(3))[..., None].expand(-1, -1, 3)
    soft = magic_wand(grey, (10, 2), 0.12)
    wanted = torch.zeros(21)
    wanted[8:13] = 1  # 0.12 is 2.4 pixels: the third pixel is within by 0.9 - 0.5 of its width
    wanted[[8, 12]] = 0.9
    torch.testing.assert_close(soft[0, 2], wanted, atol=2e-3, rtol=0)


def test_black_to_white_is_1():
    image = torch.zeros(2, 4, 3)
    image[:, 2:] = 1
    assert magic_wand(image, (0, 0), 0.99, antialias=False).sum() == 4
    assert magic_wand(image, (0, 0), 1.0, antialias=False).sum() >= 4


def test_the_sample_is_a_mean():
    image = torch.full((9, 9, 3), 0.5)
    image[4, 4] = 1
    assert magic_wand(image, (4, 4), 0.05, antialias=False).sum() == 1
    around = magic_wand(image, (4, 4), 0.1, antialias=False, sample=2, contiguous=False)
    assert around.sum() == 80


def test_frames_are_selected_one_by_one_and_the_image_is_not_written():
    batch = torch.stack([noisy(0), noisy(1)])
    before = batch.clone()
    got = magic_wand(batch, (25, 40))
    assert torch.equal(got, torch.cat([magic_wand(frame, (25, 40)) for frame in batch]))
    assert torch.equal(batch, before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"point": (80, 0)}, "outside the 80 x 60 image"),
        ({"point": (0, -1)}, "outside"),
        ({"point": (1, 2, 3)}, "wanted a point"),
        ({"point": (1, float("nan"))}, "wanted a point"),
        ({"point": (1, 1), "tolerance": 2}, "tolerance"),
        ({"point": (1, 1), "sample": -1}, "sample"),
    ],
)
def test_what_cannot_be_selected_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        magic_wand(noisy(), **arguments)
