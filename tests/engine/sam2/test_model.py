"""Embedding: equal to the reference predictor's, on any image, unharmed by bad input."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from region_fields.engine import InputError, Sam2
from region_fields.engine.sam2 import model
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
    ("name", "capability", "dtype"),
    [
        ("NVIDIA H100", (9, 0), torch.bfloat16),
        ("NVIDIA A100", (8, 0), torch.bfloat16),
        ("NVIDIA GeForce RTX 2080 Ti", (7, 5), torch.float16),
        ("Tesla T4", (7, 5), torch.float16),
        ("NVIDIA GeForce GTX 1660 Ti", (7, 5), torch.float32),
        ("NVIDIA T1000", (7, 5), torch.float32),
        ("NVIDIA GeForce GTX 1080", (6, 1), torch.float32),
        ("gfx942:sramecc+:xnack-", (9, 4), torch.bfloat16),
        ("gfx1100", (11, 0), torch.bfloat16),
        ("gfx1030", (10, 3), torch.float16),
        ("gfx906:sramecc+:xnack-", (9, 0), torch.float16),
    ],
)
def test_auto_precision_is_what_the_cards_matrix_units_compute(
    monkeypatch, name, capability, dtype
):
    card = SimpleNamespace(gcnArchName=name, name=name)
    monkeypatch.setattr(torch.version, "hip", "6.4" if name.startswith("gfx") else None)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: card)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert best_dtype(torch.device("cuda")) == dtype


def test_a_picture_is_shrunk_on_the_cpu_for_devices_that_may_be_unable_to(random_sam2, monkeypatch):
    """PyTorch has antialiasing on Apple's GPUs only since 2.7; "meta" stands for them."""
    network = copy.deepcopy(random_sam2.network).to("meta")
    elsewhere = Sam2(network, random_sam2.architecture)
    places = []
    shrink = model._shrink

    def spy(plane, side):
        places.append(plane.device.type)
        return shrink(plane, side)

    monkeypatch.setattr(model, "_shrink", spy)
    assert elsewhere.embed(eight_bit(64, 64)).device.type == "meta"
    assert places == ["cpu"] * 3


def test_the_mask_decoder_in_half_is_copied_once_for_each_device(random_sam2):
    own = random_sam2.network.sam_mask_decoder
    assert random_sam2.mask_decoder(torch.float32) is own
    half = random_sam2.mask_decoder(torch.bfloat16)
    assert {weight.dtype for weight in half.parameters()} == {torch.bfloat16}
    assert random_sam2.mask_decoder(torch.bfloat16) is half
    moved = Sam2(copy.deepcopy(random_sam2.network), random_sam2.architecture)
    before = moved.mask_decoder(torch.bfloat16)
    moved.network.to("meta")
    after = moved.mask_decoder(torch.bfloat16)
    assert after is not before
    assert {weight.device.type for weight in after.parameters()} == {"meta"}


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
