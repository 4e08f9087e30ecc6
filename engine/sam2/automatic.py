"""Automatic segmentation: a grid of points, every mask they give, the good ones kept.

Gives what the sam2 package's SAM2AutomaticMaskGenerator gives on the same network and settings,
in another order of work: candidates are filtered by predicted IoU before their masks are made,
and suppressed in order of score while they are brought to full size, so that only what stays is
ever stored at full size, as packed bits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..ops.bits import boxes_packed, packed_width, shift_right
from ..ops.checks import InputError, Progress, check_image
from ..ops.chunks import explained
from ..ops.crew import Crew, Pause
from ..ops.nms import box_nms, suppress
from ..ops.tidy import tidy
from ..ops.upsample import UPSAMPLING_BYTES, upsample_masks
from ..regions import Regions
from .candidates import Candidates, decode_candidates
from .decode import to_network_pixels
from .everything import Crop, Everything, grid_points, plan_crops
from .model import Embedding, Sam2
from .point_decoder import PointDecoder

__all__ = ["Everything", "segment_everything"]

_PIXELS_AT_ONCE = 32 << 20
_EDGE_PIXELS = 20.0
_ENCODING_IN_POINTS = 240
_ADVICE = "Use a smaller image, or raise the thresholds so that fewer masks are held."


@torch.no_grad()
def segment_everything(
    model: Sam2,
    image_or_embedding: Tensor | Embedding,
    settings: Everything | None = None,
    progress: Progress | None = None,
) -> Regions:
    """Find the regions of one image without a prompt.

    image_or_embedding: float (H, W, 3) in [0, 1], or what `model.embed` made of it, which serves
    as long as settings.crop_n_layers is 0. progress(done, total) is called at least once a second
    or so, also while the image is encoded; it may raise to interrupt, and the model stays usable.

    The regions' scores are predicted IoUs, their stability the stability scores. Where
    stability_score_thresh is 0 the reference can return masks without a pixel; these are left out.
    So are masks of a single row or column of pixels that repeat a better one, of which it finds
    hundreds in a picture of a few pixels.
    Raises InputError for a bad image, an embedding where crops are asked for, or too little
    memory even for one point at a time.
    """
    settings = Everything() if settings is None else settings
    source = image_or_embedding
    if isinstance(source, Embedding):
        if settings.crop_n_layers:
            raise InputError(
                "segment_everything: crops are encoded from the image; give the image instead of "
                "its embedding, or set crop_n_layers to 0."
            )
        size = source.size
    else:
        source = check_image(source)
        size = (int(source.shape[0]), int(source.shape[1]))
    crops = plan_crops(size, settings.crop_n_layers, settings.crop_overlap_ratio)
    clock = _Clock(progress, _total(crops, settings, isinstance(source, Embedding)))
    with explained(f"Out of memory. {_ADVICE}"):
        found = [_segment_crop(model, source, crop, size, settings, clock) for crop in crops]
        masks = _merge(found, size, settings, clock)
        if settings.box_nms_thresh < 1:
            masks = _without_repeated_lines(masks)
        if settings.min_mask_region_area:
            masks = _tidy(masks, size, settings, clock)
        clock.finish()
        # In place mask by mask on the CPU; a GPU is faster at one copy of all.
        return Regions.from_packed(
            masks.packed,
            size,
            masks.scores,
            stability=masks.stability,
            owned=masks.packed.device.type == "cpu",
        )


@dataclass(frozen=True, eq=False)
class _Masks:
    """N masks of a crop. boxes: float32 (N, 4), x1 and y1 inclusive, in the crop's pixels."""

    crop: Crop
    packed: Tensor
    boxes: Tensor
    scores: Tensor
    stability: Tensor

    def take(self, index: Tensor) -> _Masks:
        return _Masks(
            self.crop,
            self.packed[index],
            self.boxes[index],
            self.scores[index],
            self.stability[index],
        )


class _Clock:
    """Tells the caller how far the work is, in points decoded or their like."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0.0

    def tick(self, done: float = 0.0) -> None:
        """Count `done` more; 0 gives the caller a chance to interrupt."""
        self._done = min(self._done + done, self._total)
        if self._progress is not None:
            self._progress(int(self._done), self._total)

    def finish(self) -> None:
        self.tick(self._total)


def _total(crops: list[Crop], settings: Everything, encoded: bool) -> int:
    points = sum(settings.points_in_layer(crop.layer) ** 2 for crop in crops)
    return points + (0 if encoded else _ENCODING_IN_POINTS * len(crops))


def _segment_crop(
    model: Sam2,
    source: Tensor | Embedding,
    crop: Crop,
    size: tuple[int, int],
    settings: Everything,
    clock: _Clock,
) -> _Masks:
    """The masks of one crop after suppression, best first."""
    if isinstance(source, Embedding):
        embedding = source
    else:
        embedding = _embed(model, source[crop.y0 : crop.y1, crop.x0 : crop.x1], clock)
    decoder = PointDecoder(model, embedding)
    clock.tick()
    points = grid_points(settings.points_in_layer(crop.layer), crop.size)
    points = to_network_pixels(points, crop.size, model)
    with Crew.for_device(model.device) as crew:
        candidates = decode_candidates(decoder, points, settings, clock.tick, crew)
        return _keep_best(candidates, crop, size, settings, clock, crew)


def _embed(model: Sam2, image: Tensor, clock: _Clock) -> Embedding:
    """Encode, with chances to interrupt on the way."""
    with explained(
        "Out of memory while the image was encoded; close what else uses this device, or use a "
        "smaller model."
    ):
        return model.embed(image, lambda share: clock.tick(_ENCODING_IN_POINTS * share))


def _keep_best(
    candidates: Candidates,
    crop: Crop,
    size: tuple[int, int],
    settings: Everything,
    clock: _Clock,
    crew: Crew,
) -> _Masks:
    """Bring candidates to full size, best first, and keep what is stable and nothing suppresses.

    Whether a mask is suppressed depends only on better ones, so it is known at once. Logits are
    let go as they are used.
    """
    order = torch.sort(candidates.scores, descending=True, stable=True).indices
    ranked = [candidates.logits[i] for i in order.tolist()]
    candidates.logits.clear()
    scores = candidates.scores[order]
    kept = [_no_masks(crop, scores.device)]

    length, at_once, working = _masks_at_once(crop, settings, scores.device, crew.count)

    def enlarge(part: slice, pause: Pause) -> _Masks:
        return _stable_masks(torch.stack(ranked[part]), scores[part], crop, size, settings, working)

    for part, fresh in crew.in_chunks(
        len(ranked), length, enlarge, _ADVICE, clock.tick, at_once=at_once
    ):
        ranked[part] = [scores[:0]] * (part.stop - part.start)
        so_far = torch.cat([masks.boxes for masks in kept])
        stays = suppress(fresh.boxes, settings.box_nms_thresh, so_far)
        kept.append(fresh.take(stays.nonzero().squeeze(1)))
        clock.tick()
    return _concatenate(kept)


def _masks_at_once(
    crop: Crop, settings: Everything, device: torch.device, workers: int
) -> tuple[int, int, int]:
    """How many masks make a piece, how many pieces fit the budget, and a piece's working memory.

    A quarter of the budget is for packed masks and a quarter for work. On a CPU a piece takes
    under a second, and no more memory than is of use; where the budget is tight pieces are smaller,
    so that each worker has one.
    """
    share, each = settings.memory_budget // 4 // workers, max(1, crop.area // 8)
    length, working = max(1, share // each), share
    if device.type != "cpu":
        return length, 1, working
    length = max(1, min(length, _PIXELS_AT_ONCE // crop.area))
    working = min(working, UPSAMPLING_BYTES)
    return length, settings.memory_budget // 2 // (length * each + working), working


def _stable_masks(
    logits: Tensor,
    scores: Tensor,
    crop: Crop,
    size: tuple[int, int],
    settings: Everything,
    working_bytes: int,
) -> _Masks:
    """The masks (N, S/4, S/4) at the crop's size that are stable and clear of its inner edges."""
    full = upsample_masks(
        logits,
        crop.size,
        settings.mask_threshold,
        settings.stability_score_offset,
        working_bytes,
    )
    stability = full.above.to(torch.float32) / full.below.clamp(min=1).to(torch.float32)
    masks = _Masks(crop, full.packed, scores.new_zeros(len(scores), 4), scores, stability)
    if settings.stability_score_thresh > 0:
        masks = masks.take((stability >= settings.stability_score_thresh).nonzero().squeeze(1))
    masks = replace(masks, boxes=_inclusive_boxes(masks.packed, crop.size[1]))
    if crop.size == size:
        return masks
    return masks.take((~_near_inner_edge(masks.boxes, crop, size)).nonzero().squeeze(1))


def _inclusive_boxes(packed: Tensor, width: int) -> Tensor:
    """Boxes float32 (N, 4) of first and last pixels, zeros where a mask is empty."""
    boxes = boxes_packed(packed, width)
    boxes[:, 2:] -= (boxes[:, 2:] > 0).to(boxes.dtype)
    return boxes.to(torch.float32)


def _near_inner_edge(boxes: Tensor, crop: Crop, size: tuple[int, int]) -> Tensor:
    """Which boxes come near an edge of the crop that is no edge of the image: cut objects."""
    near = torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    offsets = (crop.x0, crop.y0) * 2
    inner = (crop.x0, crop.y0, crop.x1, crop.y1)
    outer = (0, 0, size[1], size[0])
    for side, offset, cut, end in zip(boxes.unbind(1), offsets, inner, outer, strict=True):
        placed = side + offset
        near |= ((placed - cut).abs() <= _EDGE_PIXELS) & ((placed - end).abs() > _EDGE_PIXELS)
    return near


def _no_masks(crop: Crop, device: torch.device) -> _Masks:
    height, width = crop.size
    packed = torch.zeros((0, height, packed_width(width)), dtype=torch.uint8, device=device)
    nothing = torch.zeros(0, device=device)
    return _Masks(crop, packed, nothing.new_zeros(0, 4), nothing, nothing)


def _concatenate(parts: list[_Masks]) -> _Masks:
    """Masks of one crop together. `parts` is emptied on the way: they don't exist twice."""
    boxes = torch.cat([part.boxes for part in parts])
    scores = torch.cat([part.scores for part in parts])
    stability = torch.cat([part.stability for part in parts])
    crop, packed = parts[0].crop, parts[0].packed
    packed = packed.new_empty((len(scores), *packed.shape[1:]))
    start = 0
    while parts:
        part = parts.pop(0).packed
        packed[start : start + len(part)] = part
        start += len(part)
    return _Masks(crop, packed, boxes, scores, stability)


def _merge(
    found: list[_Masks], size: tuple[int, int], settings: Everything, clock: _Clock
) -> _Masks:
    """Masks of all crops in the image's frame; of crops' masks that overlap the smaller crop's.

    `found` is emptied on the way, so that masks don't exist twice.
    """
    if len(found) == 1:
        return found[0]
    device = found[0].scores.device
    offsets = [torch.tensor([m.crop.x0, m.crop.y0] * 2, device=device) for m in found]
    boxes = torch.cat([m.boxes + offset for m, offset in zip(found, offsets, strict=True)])
    preference = torch.cat([torch.full_like(m.scores, 1.0 / m.crop.area) for m in found])
    stays = torch.zeros(len(boxes), dtype=torch.bool, device=device)
    stays[box_nms(boxes, preference, settings.crop_nms_thresh)] = True
    split = torch.split(stays, [len(m.scores) for m in found])
    image, parts = found[0].crop, []
    for offset, stay in zip(offsets, split, strict=True):
        masks = found.pop(0)
        masks = masks.take(stay.nonzero().squeeze(1))
        packed = _placed(masks.packed, masks.crop, size, clock)
        parts.append(replace(masks, crop=image, packed=packed, boxes=masks.boxes + offset))
    return _concatenate(parts)


def _without_repeated_lines(masks: _Masks) -> _Masks:
    """Without masks equal to a better one that suppression lets stay, as their boxes have no area.

    From first to last pixel, as the reference measures, a single row or column is 0 long.
    """
    lines = (masks.boxes[:, 2:] == masks.boxes[:, :2]).any(1).nonzero().squeeze(1)
    stays, seen = torch.ones_like(masks.scores, dtype=torch.bool), set()
    for i in lines.tolist():
        mask = masks.packed[i].cpu().numpy().tobytes()
        stays[i] = mask not in seen
        seen.add(mask)
    return masks.take(stays.nonzero().squeeze(1)) if len(seen) < len(lines) else masks


def _placed(packed: Tensor, crop: Crop, size: tuple[int, int], clock: _Clock) -> Tensor:
    """Packed masks of a crop as packed masks of the image."""
    height, width = size
    if crop.size == size:
        return packed
    shape = (len(packed), height, packed_width(width))
    out = torch.zeros(shape, dtype=torch.uint8, device=packed.device)
    first = crop.x0 // 8
    for mask, whole in zip(packed, out, strict=True):
        bits = shift_right(mask, crop.x0 % 8)[:, : shape[2] - first]
        whole[crop.y0 : crop.y1, first : first + bits.shape[1]] = bits
        clock.tick()
    return out


def _tidy(masks: _Masks, size: tuple[int, int], settings: Everything, clock: _Clock) -> _Masks:
    """Fill small holes and remove small parts, then suppress again, unchanged masks first.

    As SAM2AutomaticMaskGenerator.postprocess_small_regions, with its larger NMS threshold of the
    two: a mask that clean-up made like another goes. The masks are changed in place.
    """
    packed, unchanged = masks.packed, torch.ones_like(masks.scores)
    area = settings.min_mask_region_area
    for i in range(len(packed)):
        tidied = tidy(packed[i], size[1], area, clock.tick)
        unchanged[i] = (tidied == packed[i]).all()
        packed[i] = tidied
        clock.tick()
    boxes = _inclusive_boxes(packed, size[1])
    threshold = max(settings.box_nms_thresh, settings.crop_nms_thresh)
    return replace(masks, boxes=boxes).take(box_nms(boxes, unchanged, threshold))
