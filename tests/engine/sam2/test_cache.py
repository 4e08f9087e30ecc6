"""Embeddings are made once for the same pixels, and never more are kept than fit."""

import pytest
import torch
from region_fields.engine.sam2.architecture import ARCHITECTURES
from region_fields.engine.sam2.cache import EmbeddingCache
from region_fields.engine.sam2.model import Embedding, Sam2


def image(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(shape or (8, 8, 3), generator=torch.Generator().manual_seed(seed))


class Encoder:
    """Counts its calls; its embeddings take 7 KiB."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, pixels: torch.Tensor) -> Embedding:
        self.calls += 1
        level = torch.full((1, 256), float(self.calls))
        return Embedding(torch.cat([level] * 5), (level, level), tuple(pixels.shape[:2]))


def test_the_same_pixels_are_encoded_once_whatever_tensor_holds_them():
    cache, encode = EmbeddingCache(), Encoder()
    first = cache.get(image(0), "a", encode)
    assert cache.get(image(0), "a", encode) is first
    assert cache.get(torch.cat([image(0), image(9, 8, 8, 1)], -1), "a", encode) is first
    assert cache.get(image(0).transpose(0, 1).contiguous().transpose(0, 1), "a", encode) is first
    assert encode.calls == 1


def test_pixels_changed_in_place_are_encoded_again():
    cache, encode, pixels = EmbeddingCache(), Encoder(), image(0)
    cache.get(pixels, "a", encode)
    pixels[3, 4, 1] += 1e-3
    cache.get(pixels, "a", encode)
    assert encode.calls == 2


@pytest.mark.parametrize("shape", [(4, 16, 3), (16, 4, 3), (64, 1, 3)])
def test_the_same_bytes_in_another_shape_are_another_image(shape):
    cache, encode = EmbeddingCache(), Encoder()
    cache.get(image(0), "a", encode)
    assert cache.get(image(0).reshape(shape), "a", encode).size == shape[:2]


def test_another_way_of_encoding_has_its_own_embedding():
    cache, encode = EmbeddingCache(), Encoder()
    assert cache.get(image(0), "a", encode) is not cache.get(image(0), "b", encode)


def test_the_least_recently_used_goes_when_the_budget_is_full():
    cache, encode = EmbeddingCache(budget=2 * 7168), Encoder()
    for seed in (0, 1, 0, 2):
        cache.get(image(seed), "a", encode)
    assert (len(cache), cache.nbytes, encode.calls) == (2, 14336, 3)
    cache.get(image(0), "a", encode)
    assert encode.calls == 3
    cache.get(image(1), "a", encode)
    assert encode.calls == 4


def test_an_embedding_over_the_budget_is_given_but_not_kept():
    cache, encode = EmbeddingCache(budget=7167), Encoder()
    assert cache.get(image(0), "a", encode).size == (8, 8)
    assert (len(cache), cache.nbytes) == (0, 0)


def test_clear_drops_everything():
    cache, encode = EmbeddingCache(), Encoder()
    cache.get(image(0), "a", encode)
    cache.clear()
    assert len(cache) == 0


def test_the_model_encodes_the_same_image_once(random_sam2, monkeypatch):
    model = Sam2(random_sam2.network, ARCHITECTURES["nano"])
    calls = []
    encode = model.network.forward_image
    monkeypatch.setattr(model.network, "forward_image", lambda x: calls.append(1) or encode(x))
    first = model.embed_cached(image(0, 20, 30, 3))
    assert model.embed_cached(image(0, 20, 30, 3)) is first
    assert len(calls) == 1
    assert torch.equal(first.image_embed, model.embed(image(0, 20, 30, 3)).image_embed)
