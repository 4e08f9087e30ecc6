from __future__ import annotations

import torch
from region_fields.engine import Everything, segment_everything


def test_an_image_in_which_no_candidate_passes_has_no_regions(nano):
    grey = torch.full((48, 64, 3), 0.5)
    none = segment_everything(nano, grey, Everything(points_per_side=2, pred_iou_thresh=1.0))
    assert len(none) == 0
    assert none.size == (48, 64)
