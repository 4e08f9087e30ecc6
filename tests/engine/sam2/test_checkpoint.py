"""Every official architecture in every format loads strictly; everything else is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from region_fields.engine import InputError, load_sam2
from region_fields.engine.sam2 import checkpoint
from region_fields.engine.sam2.architecture import ARCHITECTURES, build_network
from region_fields.engine.sam2.checkpoint import UNKNOWN_VERSION, load_checkpoint
from region_fields.engine.sam2.decode import decode
from region_fields.engine.sam2.model import Sam2, preprocess
from safetensors.torch import save_file

SIDE = 256
OFFICIAL = ("tiny", "small", "base_plus", "large")
POINT = ((90.0, 150.0),)


def transformers_network(name: str, version: str):
    """transformers' own Sam2VideoModel of an official architecture, random weights, 256 pixels."""
    from transformers import Sam2VideoConfig, Sam2VideoModel

    a = ARCHITECTURES[name]
    widths = [a.embed_dim * factor for factor in (1, 2, 4, 8)]
    newer = version == "2.1"
    config = Sam2VideoConfig(
        image_size=SIDE,
        memory_attention_rope_feat_sizes=[SIDE // 16, SIDE // 16],
        enable_occlusion_spatial_embedding=newer,
        enable_temporal_pos_encoding_for_object_pointers=newer,
        prompt_encoder_config={"image_size": SIDE},
        vision_config={
            "backbone_channel_list": widths[::-1],
            "backbone_feature_sizes": [[SIDE // stride] * 2 for stride in (4, 8, 16)],
            "backbone_config": {
                "model_type": "sam2_hiera_det_model",
                "image_size": [SIDE, SIDE],
                "hidden_size": a.embed_dim,
                "num_attention_heads": a.num_heads,
                "blocks_per_stage": list(a.stages),
                "embed_dim_per_stage": widths,
                "num_attention_heads_per_stage": [a.num_heads * f for f in (1, 2, 4, 8)],
                "window_size_per_stage": list(a.window_spec),
                "window_positional_embedding_background_size": list(a.pos_embed_size),
                "global_attention_blocks": list(a.global_att_blocks),
            },
        },
    )
    with checkpoint._Unfilled():
        network = Sam2VideoModel(config).eval()
    fill(network)
    network.mask_decoder.pred_obj_score_head.proj_out.bias.data.add_(30)  # nothing is hidden
    network.prompt_encoder.shared_embedding.positional_embedding.copy_(
        network.shared_image_embedding.positional_embedding
    )
    return network


@torch.no_grad()
def fill(network: torch.nn.Module) -> None:
    """Small random weights, ones added where a vector scales; quick for 224 million of them."""
    torch.manual_seed(3)
    noise = 0.04 * torch.randn(65537)
    for name, parameter in network.named_parameters():
        for part in parameter.view(-1).split(len(noise) // 2):
            start = int(torch.randint(len(noise) // 2, ()))
            part.copy_(noise[start : start + len(part)])
        if parameter.ndim == 1 and name.endswith(("weight", "scale")):
            parameter.add_(1)


def transformers_masks(network, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The best low-resolution mask for a click and three scores, by transformers itself."""
    with torch.no_grad():
        out = network._single_frame_forward(
            pixel_values=pixels,
            input_points=torch.tensor([[POINT]]),
            input_labels=torch.ones(1, 1, 1, dtype=torch.int64),
            multimask_output=True,
        )
    return out.pred_masks.view(SIDE // 4, SIDE // 4), out.iou_scores.view(3)


def at_side(loaded: checkpoint.Loaded, side: int = SIDE) -> Sam2:
    """The loaded weights in a network for smaller images, which runs quickly."""
    architecture = replace(loaded.architecture, image_size=side)
    with checkpoint._Unfilled():
        network = build_network(architecture, "2.0" if loaded.version == "2.0" else "2.1")
    network.load_state_dict(loaded.network.state_dict())
    return Sam2(network, architecture, loaded.version)


def masks_of(model: Sam2, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    point = torch.tensor([POINT])
    logits, ious = decode(model, model.embed(image), point, torch.ones(1, 1, dtype=torch.int32))
    return logits[0, 1:], ious[0, 1:]


def check_masks(loaded, expected, image, reference_predictor) -> None:
    """The loaded weights must give transformers' masks and the sam2 package's."""
    model = at_side(loaded)
    masks, scores = masks_of(model, image)
    torch.testing.assert_close(masks[scores.argmax()], expected[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(scores, expected[1], rtol=1e-4, atol=1e-5)
    predictor = reference_predictor(model, image)
    _, _, low = predictor.predict(np.array(POINT), np.array([1]), multimask_output=True)
    torch.testing.assert_close(masks.clamp(-32, 32), torch.from_numpy(low), rtol=1e-4, atol=1e-5)


def check_flat_formats(folder: Path, loaded: checkpoint.Loaded) -> None:
    """Meta's .pt and float16 safetensors of the same weights must load to the same weights."""
    state = loaded.network.state_dict()
    torch.save({"model": state}, folder / "meta.pt")
    assert same(load_again(folder / "meta.pt", loaded), state)
    half = {key: value.half() for key, value in state.items()}
    save_file(half, folder / "flat.safetensors")
    assert same(load_again(folder / "flat.safetensors", loaded), half)


def load_again(path: Path, loaded: checkpoint.Loaded) -> dict[str, torch.Tensor]:
    again = load_checkpoint(path)
    path.unlink()
    assert (again.architecture, again.version) == (loaded.architecture, loaded.version)
    return again.network.state_dict()


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key].float()) for key in a)


SLOW = pytest.mark.slow


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "version", "forward"),
    [
        ("tiny", "2.0", True),
        ("tiny", "2.1", True),
        pytest.param("small", "2.0", False, marks=SLOW),
        pytest.param("small", "2.1", True, marks=SLOW),
        pytest.param("base_plus", "2.0", True, marks=SLOW),
        pytest.param("base_plus", "2.1", False, marks=SLOW),
        pytest.param("large", "2.0", False, marks=SLOW),
        pytest.param("large", "2.1", True, marks=SLOW),
    ],
)
def test_every_official_network_loads_from_every_format(
    tmp_path, reference_predictor, name, version, forward
):
    image = (torch.rand(SIDE, SIDE, 3) * 255).round() / 255
    theirs = transformers_network(name, version)
    theirs.save_pretrained(tmp_path)
    expected = transformers_masks(theirs, preprocess(image, SIDE)) if forward else None
    del theirs
    loaded = load_checkpoint(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    assert (loaded.architecture.name, loaded.version, loaded.has_memory) == (name, version, True)
    if forward:
        check_masks(loaded, expected, image, reference_predictor)
    check_flat_formats(tmp_path, loaded)


def flat_state(version: str = "2.1") -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    return build_network(ARCHITECTURES["nano"], version).state_dict()


IMAGE_PARTS = ("image_encoder.", "sam_prompt_encoder.", "sam_mask_decoder.", "no_mem_embed")


@pytest.mark.filterwarnings("ignore")
def test_transformers_image_only_model_loads_without_memory(tmp_path):
    from transformers import Sam2Config, Sam2Model

    network = Sam2Model(Sam2Config()).eval()
    network.prompt_encoder.shared_embedding.positional_embedding.data.copy_(
        network.shared_image_embedding.positional_embedding
    )
    network.save_pretrained(tmp_path)
    model = load_sam2(tmp_path / "model.safetensors")
    assert (model.architecture.name, model.version) == ("tiny", UNKNOWN_VERSION)
    assert not model.has_memory
    weight = network.vision_encoder.neck.convs[3].weight
    assert torch.equal(model.network.image_encoder.neck.convs[3].conv.weight, weight)


def test_a_flat_file_without_the_memory_modules_loads_for_images(tmp_path, random_sam2):
    state = random_sam2.network.state_dict()
    kept = {key: value for key, value in state.items() if key.startswith(IMAGE_PARTS)}
    save_file(kept, tmp_path / "image.safetensors")
    model = load_sam2(tmp_path / "image.safetensors")
    assert (model.has_memory, model.version) == (False, UNKNOWN_VERSION)
    image = torch.rand(30, 40, 3)
    expected = random_sam2.embed(image)
    assert torch.equal(model.embed(image).image_embed, expected.image_embed)


@pytest.mark.parametrize("version", ["2.0", "2.1"])
@pytest.mark.parametrize("wrapped", [True, False])
def test_what_a_file_holds_comes_from_its_bytes_not_its_name(tmp_path, version, wrapped):
    state = flat_state(version)
    torch.save({"model": state} if wrapped else state, tmp_path / "weights.safetensors")
    save_file(state, tmp_path / "weights.pt")
    for name in ("weights.safetensors", "weights.pt"):
        loaded = load_checkpoint(tmp_path / name)
        assert (loaded.architecture.name, loaded.version) == ("nano", version)
        assert same(loaded.network.state_dict(), state)


def test_bfloat16_weights_are_computed_with_in_float32(tmp_path):
    save_file({k: v.bfloat16() for k, v in flat_state().items()}, tmp_path / "b.safetensors")
    network = load_sam2(tmp_path / "b.safetensors").network
    assert {p.dtype for p in network.parameters()} == {torch.float32}


@pytest.mark.parametrize(("dtype", "precision"), [(None, "auto"), (torch.bfloat16, "bfloat16")])
def test_load_sam2_takes_a_dtype_to_compute_in(tmp_path, dtype, precision):
    save_file(flat_state(), tmp_path / "n.safetensors")
    assert load_sam2(tmp_path / "n.safetensors", "cpu", dtype).precision == precision


@pytest.mark.parametrize("part", [0, 5, 1000, 200_000])
@pytest.mark.parametrize("kind", ["pt", "safetensors"])
def test_a_file_cut_short_is_said_to_be(tmp_path, kind, part):
    whole, cut = tmp_path / f"whole.{kind}", tmp_path / f"cut.{kind}"
    torch.save(flat_state(), whole) if kind == "pt" else save_file(flat_state(), whole)
    cut.write_bytes(whole.read_bytes()[:part])
    with pytest.raises(InputError, match=rf"cut.{kind} \({part} bytes\) is cut short, damaged"):
        load_checkpoint(cut)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html><html></html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "is a Git LFS pointer"),
        (b"just some text, longer than nine bytes", "neither PyTorch nor safetensors"),
    ],
)
def test_what_a_failed_download_left_is_named(tmp_path, content, said):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(InputError, match=said):
        load_checkpoint(tmp_path / "model.pt")


class Gadget:
    """Something that only a pickle that may run code can restore."""


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"image_encoder.blocks.0.attn.rel_pos_h": torch.zeros(1)}, "is SAM 1, wanted SAM 2"),
        ({"vision_encoder.layers.0.attn.qkv.weight": torch.zeros(1)}, "is SAM 1, wanted SAM 2"),
        ({"detector.backbone.vision_backbone.x": torch.zeros(1)}, "is SAM 3, wanted SAM 2"),
        ({"image_encoder.patch_embed.seq.0.c.weight": torch.zeros(1)}, "is MobileSAM, wanted"),
        ({"model.diffusion_model.x": torch.zeros(1)}, "isn't SAM 2, .* of 1 tensors"),
        ({"model": {}}, "holds dict, wanted a state dict"),
        ([1, 2], "holds list, wanted a state dict"),
        ({"model": Gadget()}, "holds Python objects beside its tensors"),
    ],
)
def test_a_file_of_something_else_is_named(tmp_path, held, said):
    torch.save(held, tmp_path / "other.pt")
    with pytest.raises(InputError, match=said):
        load_checkpoint(tmp_path / "other.pt")


def test_an_unknown_size_is_named_with_the_known_ones(tmp_path):
    state = flat_state()
    key = "image_encoder.trunk.patch_embed.proj.weight"
    torch.save({**state, key: torch.zeros(50, 3, 7, 7)}, tmp_path / "odd.pt")
    with pytest.raises(InputError, match=r"50 channels in 8 blocks.*tiny 96/12.*nano 40/8"):
        load_checkpoint(tmp_path / "odd.pt")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("sam_mask_decoder.conv_s0.bias"), r"lacks sam_mask_decoder\.conv_s0"),
        (lambda s: s.pop("memory_encoder.out_proj.bias"), r"lacks memory_encoder\.out_proj"),
        (lambda s: s.update(extra=torch.zeros(1)), "has the unknown extra"),
        (lambda s: s.update(no_mem_embed=torch.zeros(3)), "has misshapen no_mem_embed"),
    ],
)
def test_any_difference_from_the_network_is_an_error(tmp_path, change, said):
    state = flat_state()
    change(state)
    torch.save(state, tmp_path / "changed.pt")
    with pytest.raises(InputError, match=said):
        load_checkpoint(tmp_path / "changed.pt")


def test_a_missing_file_is_named_with_its_path(tmp_path):
    with pytest.raises(InputError, match=r"wanted a file at .*absent\.pt, found none"):
        load_sam2(tmp_path / "absent.pt")


def test_two_different_gaussian_matrices_are_refused(tmp_path):
    save_file(
        {
            "vision_encoder.backbone.pos_embed": torch.zeros(1),
            "shared_image_embedding.positional_embedding": torch.zeros(2, 4),
            "prompt_encoder.shared_embedding.positional_embedding": torch.ones(2, 4),
        },
        tmp_path / "two.safetensors",
    )
    with pytest.raises(InputError, match="differ; wanted the same matrix"):
        load_checkpoint(tmp_path / "two.safetensors")
