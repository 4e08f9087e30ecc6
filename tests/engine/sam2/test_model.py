"""Embedding: equal to the reference predictor's, on any image, unharmed by bad input."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from region_fields.engine import InputError, Sam2
from region_fields.engine.sam2.architecture import ARCHITECTURES
from region_fields.engine.sam2.model import best_dtype, preprocess

TIGHT = {"rtol": 1e-4, "atol": 1e-5}


def eight_bit(height: int, width: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (height, width, 3), generator=generator).float() / 255


@pytest.mark.parametrize("size", [(300, 400), (256, 256), (90, 700), (1, 1), (33, 20)])
def test_the_embedding_is_the_reference_predictors_to_float_rounding(
    random_sam2, reference_predictor, size
):
    image = eight_bit(*size)
    features = reference_predictor(random_sam2, image)._features
    embedding = random_sam2.embed(image)
    torch.testing.assert_close(embedding.image_embed, features["image_embed"], **TIGHT)
    for ours, theirs in zip(embedding.high_res, features["high_res_feats"], strict=True):
        torch.testing.assert_close(ours, theirs, **TIGHT)


def test_the_embedding_of_a_photo_is_the_reference_predictors(
    random_sam2, reference_predictor, photos
):
    with Image.open(photos / "truck.jpg") as picture:
        image = torch.from_numpy(np.asarray(picture.convert("RGB"), np.float32) / 255)
    features = reference_predictor(random_sam2, image)._features
    ours = random_sam2.embed(image).image_embed
    torch.testing.assert_close(ours, features["image_embed"], **TIGHT)


def test_an_embedding_has_the_shapes_it_promises(random_sam2):
    embedding, cells = random_sam2.embed(eight_bit(40, 60)), random_sam2.image_size // 16
    fine, middle = 4 * cells, 2 * cells
    assert embedding.size == (40, 60)
    assert embedding.image_embed.shape == (1, 128, cells, cells)
    shapes = [level.shape for level in embedding.high_res]
    assert shapes == [(1, 16, fine, fine), (1, 32, middle, middle)]
    assert embedding.nbytes == 4 * (128 * cells**2 + 16 * fine**2 + 32 * middle**2)


def test_alpha_is_ignored_and_the_image_is_not_modified(random_sam2):
    rgba = torch.cat([eight_bit(40, 60), torch.rand(40, 60, 1)], dim=-1)
    before = rgba.clone()
    with_alpha = random_sam2.embed(rgba)
    assert torch.equal(rgba, before)
    assert torch.equal(with_alpha.image_embed, random_sam2.embed(rgba[..., :3]).image_embed)


def test_an_expanded_view_embeds_like_its_copy(random_sam2):
    grey = eight_bit(40, 60)[..., :1].expand(-1, -1, 3)
    copied = random_sam2.embed(grey.contiguous())
    assert torch.equal(random_sam2.embed(grey).image_embed, copied.image_embed)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (torch.zeros(4, 4), r"wanted an image \(H, W, 3\), got a tensor of shape \(4, 4\)"),
        (torch.zeros(4, 4, 3, dtype=torch.uint8), "wanted float values"),
        (torch.full((4, 4, 3), torch.nan), "NaN or infinity"),
        (torch.full((4, 4, 3), 60000.0), "colours from 0 to 1, got values up to 60000. Divide"),
    ],
)
def test_what_is_no_image_is_refused_in_one_sentence(random_sam2, image, said):
    with pytest.raises(InputError, match=said):
        random_sam2.embed(image)


def test_values_outside_the_range_count_as_its_ends():
    wild = torch.tensor([[[-3.0, 0.5, 7.0]]])
    assert torch.equal(preprocess(wild, 4), preprocess(wild.clamp(0, 1), 4))


def test_the_embedding_serves_on_another_device_after_to(random_sam2):
    embedding = random_sam2.embed(eight_bit(40, 60))
    moved = embedding.to("meta")
    assert moved.device.type == "meta"
    assert moved.size == embedding.size
    assert moved.nbytes == embedding.nbytes


def test_an_unknown_precision_is_refused(random_sam2):
    with pytest.raises(InputError, match="precision must be one of auto"):
        Sam2(random_sam2.network, ARCHITECTURES["nano"], precision="int8")


def test_auto_precision_on_the_cpu_is_float32():
    assert best_dtype(torch.device("cpu")) == torch.float32


@pytest.mark.parametrize(
    ("amd", "capability", "dtype"),
    [
        (None, (9, 0), torch.bfloat16),
        (None, (8, 0), torch.bfloat16),
        (None, (7, 5), torch.float16),
        (None, (6, 1), torch.float32),
        ("gfx942:sramecc+:xnack-", (9, 4), torch.bfloat16),
        ("gfx1100", (11, 0), torch.bfloat16),
        ("gfx1030", (10, 3), torch.float16),
        ("gfx906:sramecc+:xnack-", (9, 0), torch.float16),
    ],
)
def test_auto_precision_is_what_the_cards_matrix_units_compute(monkeypatch, amd, capability, dtype):
    card = SimpleNamespace(gcnArchName=amd)
    monkeypatch.setattr(torch.version, "hip", "6.4" if amd else None)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: card)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert best_dtype(torch.device("cuda")) == dtype


def test_auto_precision_on_apples_gpus_is_float32_without_autocast(random_sam2, monkeypatch):
    assert best_dtype(torch.device("mps")) == torch.float32
    monkeypatch.setattr(Sam2, "device", torch.device("mps"))

    def unknown(device_type, **_):
        raise RuntimeError(f"unsupported autocast device_type '{device_type}'")

    monkeypatch.setattr(torch, "autocast", unknown)
    with random_sam2.autocast():
        pass


def test_bfloat16_gives_nearly_the_float32_embedding(random_sam2):
    image = eight_bit(64, 64)
    half = Sam2(random_sam2.network, ARCHITECTURES["nano"], precision="bfloat16")
    assert half.dtype == torch.bfloat16
    exact, rough = random_sam2.embed(image).image_embed, half.embed(image).image_embed.float()
    assert not torch.equal(exact, rough)
    assert (exact - rough).norm() < 0.05 * exact.norm()
