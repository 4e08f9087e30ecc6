"""Run-length encoding against pycocotools."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco
from region_fields.engine import InputError
from region_fields.engine.ops.bits import pack_bits
from region_fields.engine.ops.rle import mask_to_counts, rle_decode, rle_encode

masks = hnp.arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40)))


def reference(mask: np.ndarray) -> dict:
    encoded = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(encoded["size"]), "counts": encoded["counts"].decode("ascii")}


def shapes() -> list[np.ndarray]:
    y, x = np.mgrid[:700, :900]
    disc = (x - 300) ** 2 + (y - 350) ** 2 < 250**2
    return [disc, ~disc, disc ^ (x > 300), np.ones_like(disc), np.zeros_like(disc), x % 7 < y % 5]


@settings(deadline=None, derandomize=True, max_examples=150)
@given(mask=masks)
def test_encoding_equals_pycocotools_and_decodes_to_the_mask(mask):
    encoded = rle_encode(torch.from_numpy(mask))
    assert encoded == reference(mask)
    assert rle_encode(pack_bits(torch.from_numpy(mask)), width=mask.shape[1]) == encoded
    np.testing.assert_array_equal(rle_decode(encoded).numpy(), mask)


@pytest.mark.parametrize("mask", shapes(), ids=range(6))
def test_long_runs_equal_pycocotools(mask):
    encoded = rle_encode(torch.from_numpy(mask))
    assert encoded == reference(mask)
    assert rle_encode(pack_bits(torch.from_numpy(mask)), width=mask.shape[1]) == encoded
    np.testing.assert_array_equal(rle_decode(encoded).numpy(), mask)


def test_packed_and_bool_masks_encode_alike():
    mask = torch.from_numpy(shapes()[0][:, :899])
    assert rle_encode(pack_bits(mask), width=899) == rle_encode(mask)


def test_uncompressed_runs_and_bytes_decode_too():
    mask = torch.from_numpy(shapes()[2])
    encoded = rle_encode(mask)
    size = encoded["size"]
    assert torch.equal(rle_decode({"size": size, "counts": mask_to_counts(mask)}), mask)
    assert torch.equal(rle_decode({"size": size, "counts": encoded["counts"].encode()}), mask)


@pytest.mark.parametrize(
    "broken",
    [
        {"size": [3, 3], "counts": [4, 4]},
        {"size": [3, 3], "counts": [12, -3]},
        {"size": [3, 3], "counts": "o"},
        {"size": [3, 3], "counts": "é"},
        {"counts": "9"},
        {"size": [3, 3, 1], "counts": [9]},
        {"size": [3, 3], "counts": None},
        {"size": [float("inf"), 3], "counts": [9]},
        {"size": [3, 3], "counts": "o" * 100 + "0"},
    ],
)
def test_broken_encodings_are_refused(broken):
    with pytest.raises(InputError, match="RLE"):
        rle_decode(broken)


def test_other_tensors_are_refused():
    with pytest.raises(InputError, match="wanted one mask bool"):
        rle_encode(torch.zeros(3, 3))
