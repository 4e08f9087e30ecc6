"""Half precision: types never meet in one operation; no more is lost than the reference loses."""

from __future__ import annotations

import pytest
import torch
from region_fields.engine import Everything, Prompt, Sam2, segment_everything, segment_prompts
from region_fields.engine.sam2.everything import grid_points
from region_fields.engine.sam2.point_decoder import PointDecoder
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

HALVES = [torch.bfloat16, torch.float16]
# Operations that take operands of one type only; others promote.
PRODUCTS = ("aten.mm", "aten.bmm", "aten.addmm", "aten.baddbmm", "aten.convolution")


class NoMixing(TorchDispatchMode):
    """Fails where a product or a norm is given tensors of two floating types."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if str(func).startswith((*PRODUCTS, "aten.native_layer_norm", "aten._scaled_dot_product")):
            kinds = {x.dtype for x in tree_leaves(args) if isinstance(x, Tensor)}
            assert len({kind for kind in kinds if kind.is_floating_point}) == 1, (str(func), kinds)
        return func(*args, **(kwargs or {}))


def halved(model: Sam2, dtype: torch.dtype) -> Sam2:
    precision = str(dtype).removeprefix("torch.")
    return Sam2(model.network, model.architecture, model.version, precision)


@pytest.fixture(scope="module")
def picture(scene) -> Tensor:
    return scene.image[::4, ::4].contiguous()


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("knobs", [{}, {"use_m2m": True}, {"multimask_output": False}], ids=str)
def test_the_decoder_never_mixes_types(nano, picture, dtype, knobs):
    model = halved(nano, dtype)
    embedding = model.embed(picture)
    settings = Everything(
        points_per_side=3, pred_iou_thresh=0.3, stability_score_thresh=0.3, **knobs
    )
    with NoMixing():
        assert len(segment_everything(model, embedding, settings)) > 0
        prompt = Prompt(points=[[40, 40]], mask=torch.ones(picture.shape[:2]))
        assert len(segment_prompts(model, embedding, [prompt], refine=1)) == 1


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_coordinates_and_the_prompt_encoder_stay_in_float32(nano, picture, dtype):
    decoder = PointDecoder(halved(nano, dtype), nano.embed(picture))
    exact = PointDecoder(nano, nano.embed(picture))
    points = grid_points(5, (256, 256))
    assert torch.equal(decoder.embed_points(points), exact.embed_points(points))
    masks = torch.randn(2, nano.image_size // 4, nano.image_size // 4)
    with torch.no_grad():
        assert torch.equal(decoder.embed_masks(masks), exact.embed_masks(masks))


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_half_is_as_near_to_float32_as_the_references_own_half(nano, picture, dtype):
    """The sam2 package computes in half under autocast; a tenth is left to chance."""
    model, points = halved(nano, dtype), grid_points(8, (nano.image_size, nano.image_size))
    exact = reference_masks(nano, picture, points, torch.float32)
    theirs = reference_masks(nano, picture, points, dtype)
    decoder = PointDecoder(model, model.embed(picture))
    with torch.no_grad():
        attended = decoder.attend(decoder.embed_points(points))
        ours = decoder.logits(attended, torch.ones((len(points), 4), dtype=torch.bool))
    spread = exact[0].std()
    assert (theirs[0] - exact[0]).std() > 0
    assert (ours - exact[0]).std() <= 1.1 * (theirs[0] - exact[0]).std() < 0.1 * spread
    ious = (decoder.ious(attended) - exact[1]).abs().mean()
    assert ious <= 1.1 * (theirs[1] - exact[1]).abs().mean()


@torch.no_grad()
def reference_masks(
    model: Sam2, image: Tensor, points: Tensor, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Logits and predicted IoUs by the network's own decoder, under autocast where in half."""
    network, labels = model.network, torch.ones((len(points), 1), dtype=torch.int32)
    with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
        embedding = (model if dtype == torch.float32 else halved(model, dtype)).embed(image)
        sparse, dense = network.sam_prompt_encoder((points[:, None], labels), None, None)
        masks, ious, _, _ = network.sam_mask_decoder.predict_masks(
            image_embeddings=embedding.image_embed,
            image_pe=model.dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            repeat_image=True,
            high_res_features=list(embedding.high_res),
        )
    return masks.float().flatten(0, 1), ious.float()
