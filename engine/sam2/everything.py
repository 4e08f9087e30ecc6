"""The settings of automatic segmentation, and where it looks: crops and grids of points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

from ..ops.checks import InputError

_SMALLEST_BUDGET = 16 << 20


@dataclass(frozen=True)
class Everything:
    """Settings of `segment_everything`; those of SAM2AutomaticMaskGenerator bear its names.

    points_per_side: the grid has this number squared of points; each gives three candidates.
    pred_iou_thresh: a candidate's predicted IoU must be above; 0 keeps all. [0, 1]
    stability_score_thresh: its stability must reach this; 0 keeps all. [0, 1] Stability is the
    number of pixels with a logit above mask_threshold + stability_score_offset over that above
    mask_threshold - stability_score_offset.
    mask_threshold: pixels whose logit is above are in the mask.
    box_nms_thresh: of two masks whose boxes overlap by more (IoU), the better predicted stays.
    crop_n_layers: also look at crops of the image; layer i has (2^i)^2 of them. Each is encoded.
    crop_nms_thresh: as box_nms_thresh, between crops; there the mask of the smaller crop stays.
    crop_overlap_ratio: overlap of crops in the first layer as a share of the shorter side.
    crop_n_points_downscale_factor: layer i has points_per_side / factor^i points a side.
    min_mask_region_area: holes and parts of fewer image pixels are filled and removed; 0: none.
    use_m2m: decode each candidate again with its own mask as a prompt, and judge the result.
    multimask_output: False takes one mask for each point instead of three.
    memory_budget: bytes that intermediate results may take; it sets how many points are decoded
    and how many masks brought to full size at once, and changes no result but for rounding. A CPU
    takes up to 50 MiB of it for each of torch's threads; a GPU is the faster the more it may use.
    Held besides: the network, its embedding, 4 bytes for each of the (S/4)^2 logits of a candidate
    that passed pred_iou_thresh, and one bit for each pixel of a mask in the result.

    Raises InputError where a value can't be.
    """

    points_per_side: int = 32
    pred_iou_thresh: float = 0.8
    stability_score_thresh: float = 0.95
    stability_score_offset: float = 1.0
    mask_threshold: float = 0.0
    box_nms_thresh: float = 0.7
    crop_n_layers: int = 0
    crop_nms_thresh: float = 0.7
    crop_overlap_ratio: float = 512 / 1500
    crop_n_points_downscale_factor: int = 1
    min_mask_region_area: int = 0
    use_m2m: bool = False
    multimask_output: bool = True
    memory_budget: int = 1 << 30

    def __post_init__(self) -> None:
        for name in (
            "pred_iou_thresh",
            "stability_score_thresh",
            "box_nms_thresh",
            "crop_nms_thresh",
        ):
            self._check(name, 0.0, 1.0)
        self._check("stability_score_offset", 0.0, math.inf)
        self._check("mask_threshold", -math.inf, math.inf)
        self._check("crop_overlap_ratio", 0.0, 1.0, below=True)
        self._check("points_per_side", 1, 512)
        self._check("crop_n_layers", 0, 4)
        self._check("crop_n_points_downscale_factor", 1, 512)
        self._check("min_mask_region_area", 0, math.inf)
        smallest = f"{_SMALLEST_BUDGET} bytes ({_SMALLEST_BUDGET >> 20} MiB)"
        self._check("memory_budget", _SMALLEST_BUDGET, math.inf, low_said=smallest)
        for name in ("use_m2m", "multimask_output"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(
                    f"Everything: {name} must be True or False, got {getattr(self, name)!r}."
                )
        if self.points_in_layer(self.crop_n_layers) < 1:
            raise InputError(
                f"Everything: {self.points_per_side} points per side divided by "
                f"{self.crop_n_points_downscale_factor} in each of {self.crop_n_layers} crop "
                "layers leaves none; lower crop_n_layers or crop_n_points_downscale_factor."
            )

    def _check(
        self, name: str, low: float, high: float, below: bool = False, low_said: str = ""
    ) -> None:
        value, whole = getattr(self, name), isinstance(getattr(Everything, name), int)
        number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        inside = number and math.isfinite(value) and low <= value <= high
        if inside and not (below and value == high):
            return
        kind = "a whole number" if whole else "a number"
        bound = f"from {low_said or format(low, 'g')}" if math.isfinite(low) else "that is finite"
        if math.isfinite(high):
            bound += f" to below {high:g}" if below else f" to {high:g}"
        raise InputError(f"Everything: {name} must be {kind} {bound}, got {value!r}.")

    def points_in_layer(self, layer: int) -> int:
        """Points per side in the crops of a layer; layer 0 is the whole image."""
        return int(self.points_per_side / self.crop_n_points_downscale_factor**layer)


@dataclass(frozen=True)
class Crop:
    """Part of an image in pixels, x1 and y1 exclusive, and the layer it belongs to."""

    x0: int
    y0: int
    x1: int
    y1: int
    layer: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.y1 - self.y0, self.x1 - self.x0

    @property
    def area(self) -> int:
        return (self.y1 - self.y0) * (self.x1 - self.x0)


def plan_crops(size: tuple[int, int], layers: int, overlap_ratio: float) -> list[Crop]:
    """The whole image of `size` (H, W), then the crops of each layer, column by column.

    Layer i cuts each side into 2^i parts that overlap by overlap_ratio of the image's shorter
    side in layer 1, half of that in layer 2, and so on.
    """
    height, width = size
    crops = [Crop(0, 0, width, height)]
    for layer in range(1, layers + 1):
        parts = 2**layer
        overlap = int(overlap_ratio * min(size) * (2 / parts))
        across = math.ceil((overlap * (parts - 1) + width) / parts)
        down = math.ceil((overlap * (parts - 1) + height) / parts)
        crops += [
            Crop(x, y, min(x + across, width), min(y + down, height), layer)
            for x, y in product(
                [(across - overlap) * i for i in range(parts)],
                [(down - overlap) * i for i in range(parts)],
            )
        ]
    return [crop for crop in crops if min(crop.size) > 0]


def grid_points(per_side: int, size: tuple[int, int]) -> Tensor:
    """Centres of per_side^2 equal cells of an image (H, W), row by row, float32 (n, 2) as x, y."""
    height, width = size
    offset = 1 / (2 * per_side)
    along = np.linspace(offset, 1 - offset, per_side)
    x, y = np.meshgrid(along * width, along * height)
    return torch.from_numpy(np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float32))
