"""The SAM 2 architectures and how to build each network from the sam2 package's own classes.

No Hydra, no configuration files: the table below holds what the published configurations say
(sam2 1.1.0, `configs/`), plus this project's small `nano`. Only `sam2.modeling` is imported, and
only when a network is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base


@dataclass(frozen=True)
class Architecture:
    """What tells one SAM 2 network from another. Lengths are channels, counts or tokens."""

    name: str
    embed_dim: int
    num_heads: int
    stages: tuple[int, int, int, int]
    global_att_blocks: tuple[int, ...]
    window_spec: tuple[int, int, int, int] = (8, 4, 14, 7)
    pos_embed_size: tuple[int, int] = (7, 7)
    d_model: int = 256
    mem_dim: int = 64
    memory_layers: int = 4
    memory_feedforward: int = 2048
    image_size: int = 1024


ARCHITECTURES = {
    a.name: a
    for a in (
        Architecture("tiny", 96, 1, (1, 2, 7, 2), (5, 7, 9)),
        Architecture("small", 96, 1, (1, 2, 11, 2), (7, 10, 13)),
        Architecture("base_plus", 112, 2, (2, 3, 16, 3), (12, 16, 20), pos_embed_size=(14, 14)),
        Architecture("large", 144, 2, (2, 6, 36, 4), (23, 33, 43), window_spec=(8, 4, 16, 8)),
        Architecture(
            "nano",
            40,
            1,
            (1, 2, 4, 1),
            (4, 6),
            window_spec=(8, 4, 8, 4),
            d_model=128,
            mem_dim=32,
            memory_layers=1,
            memory_feedforward=256,
            image_size=512,
        ),
    )
}


def build_network(architecture: Architecture, version: str = "2.1") -> SAM2Base:
    """Build an untrained network in eval mode, float32, on the CPU.

    `version` is "2.0" or "2.1"; 2.1 adds an occlusion embedding and a projected, signed temporal
    encoding of object pointers. Raises ImportError where the sam2 package is missing.
    """
    from sam2.modeling.backbones.hieradet import Hiera
    from sam2.modeling.backbones.image_encoder import FpnNeck, ImageEncoder
    from sam2.modeling.position_encoding import PositionEmbeddingSine
    from sam2.modeling.sam2_base import SAM2Base

    if version not in ("2.0", "2.1"):
        raise ValueError(f"SAM 2 version must be '2.0' or '2.1', got {version!r}.")
    a = architecture
    newer = version == "2.1"
    encoder = ImageEncoder(
        scalp=1,
        trunk=Hiera(
            embed_dim=a.embed_dim,
            num_heads=a.num_heads,
            stages=a.stages,
            global_att_blocks=a.global_att_blocks,
            window_spec=a.window_spec,
            window_pos_embed_bkg_spatial_size=a.pos_embed_size,
        ),
        neck=FpnNeck(
            position_encoding=PositionEmbeddingSine(a.d_model, warmup_cache=False),
            d_model=a.d_model,
            backbone_channel_list=[a.embed_dim * factor for factor in (8, 4, 2, 1)],
            fpn_top_down_levels=[2, 3],
            fpn_interp_model="nearest",
        ),
    )
    return SAM2Base(
        image_encoder=encoder,
        memory_attention=_memory_attention(a),
        memory_encoder=_memory_encoder(a),
        num_maskmem=7,
        image_size=a.image_size,
        sigmoid_scale_for_mem_enc=20.0,
        sigmoid_bias_for_mem_enc=-10.0,
        use_mask_input_as_output_without_sam=True,
        directly_add_no_mem_embed=True,
        use_high_res_features_in_sam=True,
        multimask_output_in_sam=True,
        iou_prediction_use_sigmoid=True,
        use_obj_ptrs_in_encoder=True,
        add_tpos_enc_to_obj_ptrs=newer,
        proj_tpos_enc_in_obj_ptrs=newer,
        use_signed_tpos_enc_to_obj_ptrs=newer,
        only_obj_ptrs_in_the_past_for_eval=True,
        pred_obj_scores=True,
        pred_obj_scores_mlp=True,
        fixed_no_obj_ptr=True,
        no_obj_embed_spatial=newer,
        multimask_output_for_tracking=True,
        use_multimask_token_for_obj_ptr=True,
        multimask_min_pt_num=0,
        multimask_max_pt_num=1,
        use_mlp_for_obj_ptr_proj=True,
        sam_mask_decoder_extra_args={
            "dynamic_multimask_via_stability": True,
            "dynamic_multimask_stability_delta": 0.05,
            "dynamic_multimask_stability_thresh": 0.98,
        },
    ).eval()


def _memory_attention(a: Architecture):  # type: ignore[no-untyped-def]
    from sam2.modeling.memory_attention import MemoryAttention, MemoryAttentionLayer
    from sam2.modeling.sam.transformer import RoPEAttention

    side = a.image_size // 16
    attention = {
        "rope_theta": 10000.0,
        "feat_sizes": (side, side),
        "embedding_dim": a.d_model,
        "num_heads": 1,
        "downsample_rate": 1,
        "dropout": 0.1,
    }
    layer = MemoryAttentionLayer(
        activation="relu",
        dim_feedforward=a.memory_feedforward,
        dropout=0.1,
        pos_enc_at_attn=False,
        self_attention=RoPEAttention(**attention),
        d_model=a.d_model,
        pos_enc_at_cross_attn_keys=True,
        pos_enc_at_cross_attn_queries=False,
        cross_attention=RoPEAttention(**attention, rope_k_repeat=True, kv_in_dim=a.mem_dim),
    )
    return MemoryAttention(
        d_model=a.d_model, pos_enc_at_input=True, layer=layer, num_layers=a.memory_layers
    )


def _memory_encoder(a: Architecture):  # type: ignore[no-untyped-def]
    from sam2.modeling.memory_encoder import CXBlock, Fuser, MaskDownSampler, MemoryEncoder
    from sam2.modeling.position_encoding import PositionEmbeddingSine

    return MemoryEncoder(
        in_dim=a.d_model,
        out_dim=a.mem_dim,
        position_encoding=PositionEmbeddingSine(a.mem_dim, warmup_cache=False),
        mask_downsampler=MaskDownSampler(embed_dim=a.d_model, kernel_size=3, stride=2, padding=1),
        fuser=Fuser(
            layer=CXBlock(
                dim=a.d_model,
                kernel_size=7,
                padding=3,
                layer_scale_init_value=1e-6,
                use_dwconv=True,
            ),
            num_layers=2,
        ),
    )
