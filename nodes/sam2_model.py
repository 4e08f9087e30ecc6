"""The SAM 2 network in the hands of ComfyUI's model management."""

from __future__ import annotations

import comfy.model_management as mm
import comfy.model_patcher
import torch
from torch import Tensor

from ..engine.sam2.model import Embedding, Sam2

_BYTES_PER_CELL = 4
_ACTIVATION_COPIES = 12


class _Holder(torch.nn.Module):
    """The network inside a module that the patcher may give a `device`; SAM2Base forbids that."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network
        self.device: torch.device | None = None


class HeldSam2:
    """A Sam2 that ComfyUI moves between devices.

    The Sam2 keeps the embeddings of the last images, within a budget, and goes when this object
    does: a second node on the same image, or another click, doesn't encode again.
    """

    def __init__(self, sam2: Sam2) -> None:
        self._sam2 = sam2
        self._patcher = comfy.model_patcher.CoreModelPatcher(
            _Holder(sam2.network),
            load_device=mm.get_torch_device(),
            offload_device=mm.unet_offload_device(),
        )

    def ready(self) -> Sam2:
        """The model with all of its weights on the device that computes."""
        cells = (self._sam2.image_size // 4) ** 2 * self._sam2.architecture.embed_dim
        needed = cells * _BYTES_PER_CELL * _ACTIVATION_COPIES
        mm.load_models_gpu([self._patcher], memory_required=needed, force_full_load=True)
        return self._sam2

    def embed(self, image: Tensor) -> Embedding:
        """The embedding of `image` (H, W, C), made or remembered. Cancel takes effect within."""
        return self.ready().embed_cached(
            image, lambda share: mm.throw_exception_if_processing_interrupted()
        )
