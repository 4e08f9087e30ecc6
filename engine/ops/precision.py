"""float64 where a device has it. Apple's GPUs don't."""

from __future__ import annotations

import torch
from torch import Tensor

WITHOUT_FLOAT64 = {"mps"}


def has_float64(device: torch.device) -> bool:
    return device.type not in WITHOUT_FLOAT64


def widest_float(device: torch.device) -> torch.dtype:
    """float64, or float32 on a device that has no float64."""
    return torch.float64 if has_float64(device) else torch.float32


def where_float64(tensor: Tensor) -> Tensor:
    """`tensor` itself, or on the CPU if its device has no float64."""
    return tensor if has_float64(tensor.device) else tensor.cpu()


def as_double(values: Tensor) -> Tensor:
    """`values` as float64 on their device, or on the CPU if that has no float64."""
    return where_float64(values).to(torch.float64)
