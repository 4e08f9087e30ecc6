"""Tensors from the host to a device."""

from __future__ import annotations

import torch
from torch import Tensor


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor`, on the host, on `device`; NVIDIA's and AMD's GPUs are not waited for.

    Others are: PyTorch's copies to Apple's GPUs read the tensor after it may have been let go
    (pytorch issues 139550 and 189690).
    """
    return tensor.to(device, non_blocking=device.type == "cuda")
