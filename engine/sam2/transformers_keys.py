"""Names of the Hugging Face transformers SAM 2 weights, turned into the sam2 package's.

The correspondence was read off the parameters of transformers' Sam2VideoModel and of SAM2Base;
the tests check it against files that transformers itself writes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from ..ops.checks import InputError

_POINTS = "prompt_encoder.point_embed.weight"
_GAUSSIAN = "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
_GAUSSIAN_COPIES = (
    "shared_image_embedding.positional_embedding",
    "prompt_encoder.shared_embedding.positional_embedding",
)

_TWO_LAYERS = ((r"\.proj_in\.", ".layers.0."), (r"\.proj_out\.", ".layers.1."))
_THREE_LAYERS = (
    (r"\.layers\.0\.", ".layers.1."),
    (r"\.proj_in\.", ".layers.0."),
    (r"\.proj_out\.", ".layers.2."),
)
_NORMS = ((r"\blayer_norm(\d)\.", r"norm\1."), (r"\.o_proj\.", ".out_proj."))

# The first prefix that fits decides; its rules then apply one after the other.
_RULES: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    (
        "vision_encoder.backbone.",
        "image_encoder.trunk.",
        ((r"^patch_embed\.projection\.", "patch_embed.proj."), *_TWO_LAYERS, *_NORMS),
    ),
    ("vision_encoder.neck.", "image_encoder.neck.", ((r"^convs\.(\d)\.", r"convs.\1.conv."),)),
    (
        "mask_decoder.transformer.",
        "sam_mask_decoder.transformer.",
        ((r"^layer_norm_final_attn\.", "norm_final_attn."), *_TWO_LAYERS, *_NORMS),
    ),
    ("mask_decoder.iou_prediction_head", "sam_mask_decoder.iou_prediction_head", _THREE_LAYERS),
    ("mask_decoder.output_hypernet", "sam_mask_decoder.output_hypernet", _THREE_LAYERS),
    ("mask_decoder.pred_obj_score_head", "sam_mask_decoder.pred_obj_score_head", _THREE_LAYERS),
    (
        "mask_decoder.",
        "sam_mask_decoder.",
        (
            (r"^upscale_conv1\.", "output_upscaling.0."),
            (r"^upscale_layer_norm\.", "output_upscaling.1."),
            (r"^upscale_conv2\.", "output_upscaling.3."),
        ),
    ),
    *((copy, _GAUSSIAN, ()) for copy in _GAUSSIAN_COPIES),
    (
        "prompt_encoder.",
        "sam_prompt_encoder.",
        (
            (r"^mask_embed\.conv1\.", "mask_downscaling.0."),
            (r"^mask_embed\.layer_norm1\.", "mask_downscaling.1."),
            (r"^mask_embed\.conv2\.", "mask_downscaling.3."),
            (r"^mask_embed\.layer_norm2\.", "mask_downscaling.4."),
            (r"^mask_embed\.conv3\.", "mask_downscaling.6."),
        ),
    ),
    ("memory_attention.layer_norm.", "memory_attention.norm.", ()),
    ("memory_attention.", "memory_attention.", _NORMS),
    ("memory_encoder.feature_projection.", "memory_encoder.pix_feat_proj.", ()),
    ("memory_encoder.projection.", "memory_encoder.out_proj.", ()),
    ("memory_encoder.mask_downsampler.", "memory_encoder.mask_downsampler.", ()),
    (
        "memory_encoder.memory_fuser.",
        "memory_encoder.fuser.",
        (
            (r"\.depthwise_conv\.", ".dwconv."),
            (r"\.pointwise_conv", ".pwconv"),
            (r"\.layer_norm\.", ".norm."),
            (r"\.scale$", ".gamma"),
        ),
    ),
    ("object_pointer_proj", "obj_ptr_proj", _THREE_LAYERS),
    ("temporal_positional_encoding_projection_layer.", "obj_ptr_tpos_proj.", ()),
    ("memory_temporal_positional_encoding", "maskmem_tpos_enc", ()),
    ("no_memory_positional_encoding", "no_mem_pos_enc", ()),
    ("no_memory_embedding", "no_mem_embed", ()),
    ("no_object_pointer", "no_obj_ptr", ()),
    ("occlusion_spatial_embedding_parameter", "no_obj_embed_spatial", ()),
)
_DOWNSAMPLER = re.compile(r"^memory_encoder\.mask_downsampler\.layers\.(\d)\.(conv|layer_norm)\.")
_DOWNSAMPLER_LAYERS = 4


def is_transformers(state: Mapping[str, Tensor]) -> bool:
    """Whether the names are those of transformers' Sam2Model or Sam2VideoModel."""
    return any(name.startswith("vision_encoder.backbone.") for name in state)


def from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under the sam2 package's names; a name that no rule knows is kept.

    transformers stores the Gaussian matrix of the positional encoding twice. Raises InputError
    where the two differ, as one network can't hold both.
    """
    twice = [state[name] for name in _GAUSSIAN_COPIES if name in state]
    if not all(copy.equal(twice[0]) for copy in twice):
        raise InputError(
            f"SAM 2 checkpoint: {' and '.join(_GAUSSIAN_COPIES)} differ; wanted the same matrix."
        )
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name == _POINTS:
            for i, row in enumerate(tensor):
                renamed[f"sam_prompt_encoder.point_embeddings.{i}.weight"] = row[None]
        else:
            renamed[rename(name)] = tensor
    return renamed


def rename(name: str) -> str:
    """One transformers name (not `point_embed`, which splits) as the sam2 package says it."""
    layer = _DOWNSAMPLER.match(name)
    if layer:
        index = 3 * int(layer[1]) + (layer[2] == "layer_norm")
        return f"memory_encoder.mask_downsampler.encoder.{index}.{name[layer.end() :]}"
    name = name.replace(
        "mask_downsampler.final_conv.", f"mask_downsampler.encoder.{3 * _DOWNSAMPLER_LAYERS}."
    )
    for prefix, replacement, rules in _RULES:
        if name.startswith(prefix):
            rest = name[len(prefix) :]
            for pattern, target in rules:
                rest = re.sub(pattern, target, rest)
            return replacement + rest
    return name
