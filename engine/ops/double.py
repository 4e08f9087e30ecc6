"""float64 where a device has it."""

from __future__ import annotations

import torch
from torch import Tensor


def as_double(values: Tensor) -> Tensor:
    """`values` as float64 on their device, or on the CPU where that has no float64 (Apple's)."""
    return values.to("cpu" if values.device.type == "mps" else values.device, torch.float64)
