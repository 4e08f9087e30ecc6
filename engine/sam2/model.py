"""A SAM 2 network ready for images, and what it makes of one: the embedding."""

from __future__ import annotations

import copy
import math
import re
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ..ops.checks import InputError, check_image
from ..ops.chunks import give_back
from .architecture import Architecture
from .cache import EmbeddingCache

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

    from .point_decoder import PointDecoder

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
_LONG_ATTENTION = 1 << 25  # pairs of a query and a key
_QUERIES_AT_ONCE = 1024
_LONG = {F.scaled_dot_product_attention, F.gelu, F.layer_norm, F.max_pool2d, F.pad}
_AMD_WITH_BFLOAT16 = ("gfx90a", "gfx94", "gfx95", "gfx11", "gfx12")

_NVIDIA_WITHOUT_MATRIX_UNITS = re.compile(
    r"GTX 16|MX[45]50|CMP 30HX|\bT(400|500|550|600|1000|1200|2000)\b"
)
_CAN_SHRINK = ("cpu", "cuda")  # Apple's GPUs can since PyTorch 2.7.

PRECISIONS = {
    "auto": None,
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
CHOICES_OF_PRECISION = {"auto": None, "fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""How the node and the command spell what to compute in, and the `dtype` of `load_sam2` it is."""


@dataclass(frozen=True, eq=False)
class Embedding:
    """What the encoder says of one image; every prompt on that image is decoded from it.

    With S the network's image size and C its channels: image_embed (1, C, S/16, S/16), the
    no-memory embedding added; high_res ((1, C/8, S/4, S/4), (1, C/4, S/8, S/8)), through the
    decoder's conv_s0 and conv_s1. size: (H, W) of the image in pixels.
    """

    image_embed: Tensor
    high_res: tuple[Tensor, Tensor]
    size: tuple[int, int]

    @property
    def device(self) -> torch.device:
        return self.image_embed.device

    @property
    def nbytes(self) -> int:
        """Bytes that the tensors take."""
        return sum(t.numel() * t.element_size() for t in (self.image_embed, *self.high_res))

    def to(self, device: torch.device | str) -> Embedding:
        """The same embedding with every tensor on `device`."""
        first, second = self.high_res
        return Embedding(
            self.image_embed.to(device), (first.to(device), second.to(device)), self.size
        )


class Sam2:
    """The sam2 package's network and how to run it on images.

    network: SAM2Base in eval mode, on whichever device its owner puts it (ComfyUI moves it).
    architecture, version: what it is. precision: "auto", "float32", "bfloat16" or "float16"; the
    encoder and the decoder compute in it under autocast, coordinates and the prompt encoder stay
    float32. has_memory: False where the checkpoint lacked the video part. embeddings: what
    `embed_cached` keeps; it goes when this object goes.
    """

    def __init__(
        self,
        network: SAM2Base,
        architecture: Architecture,
        version: str = "2.1",
        precision: str = "auto",
        has_memory: bool = True,
    ) -> None:
        if precision not in PRECISIONS:
            raise InputError(
                f"Sam2: precision must be one of {', '.join(PRECISIONS)}, got {precision!r}."
            )
        self.network = network.eval().requires_grad_(False)
        self.architecture = architecture
        self.version = version
        self.precision = precision
        self.has_memory = has_memory
        self.embeddings = EmbeddingCache()
        self.last_decoder: tuple[weakref.ref[Embedding], PointDecoder] | None = None
        self._dense_pe: Tensor | None = None
        self._decoders: dict[torch.dtype, torch.nn.Module] = {}

    @property
    def device(self) -> torch.device:
        """Where the network's parameters are now."""
        device: torch.device = next(self.network.parameters()).device
        return device

    @property
    def dtype(self) -> torch.dtype:
        """What the encoder and the decoder compute in on the present device."""
        return PRECISIONS[self.precision] or best_dtype(self.device)

    @property
    def image_size(self) -> int:
        """S: the network sees every image as S x S pixels."""
        return int(self.network.image_size)

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which the encoder runs.

        In float32 none on devices whose autocast older PyTorch doesn't know even to switch off.
        """
        dtype, kind = self.dtype, self.device.type
        if dtype == torch.float32:
            return torch.autocast(kind, enabled=False) if kind in ("cpu", "cuda") else nullcontext()
        return torch.autocast(kind, dtype=dtype)

    def mask_decoder(self, dtype: torch.dtype) -> Any:
        """The network's mask decoder in `dtype`: itself where its weights are, else a copy.

        The copy is kept for the next image or crop.
        """
        own, kept = self.network.sam_mask_decoder, self._decoders.get(dtype)
        for module in (own, kept):
            if module is not None and _is_in(module, self.device, dtype):
                return module
        self._decoders[dtype] = copy.deepcopy(own).to(self.device, dtype)
        return self._decoders[dtype]

    def dense_pe(self) -> Tensor:
        """The positional encoding of the embedding's cells, float32 (1, C, S/16, S/16)."""
        if self._dense_pe is None or self._dense_pe.device != self.device:
            with torch.no_grad():
                self._dense_pe = self.network.sam_prompt_encoder.get_dense_pe()
        return self._dense_pe

    @torch.no_grad()
    def embed(self, image: Tensor, between: Callable[[float], None] | None = None) -> Embedding:
        """Encode `image`, float (H, W, 3) in [0, 1]; a fourth channel is ignored.

        between(share) is called before each matrix product of the encoder, with the share of them
        that each is, and on a CPU with 0 before and within other long steps; it may raise to
        interrupt.
        Raises InputError when the shape or type is another, or a value isn't finite.
        """
        place = self.device if self.device.type in _CAN_SHRINK else torch.device("cpu")
        pixels = preprocess(check_image(image).to(place), self.image_size).to(self.device)
        fine, coarse, last = self._encode(pixels, between)
        if self.device.type == "cpu":
            give_back()  # A tiny encoder leaves 170 MB.
        height, width = image.shape[:2]
        return Embedding(last, (fine, coarse), (int(height), int(width)))

    def _encode(self, pixels: Tensor, between: Callable[[float], None] | None) -> list[Tensor]:
        """The maps of an embedding, finest first, of what `preprocess` gives."""
        network = self.network
        with (
            self.autocast(),
            _before_each_product(network.image_encoder, between),
            _BetweenProducts(between) if between and self.device.type == "cpu" else nullcontext(),
        ):
            backbone = network.forward_image(pixels)
            _, feats, _, sizes = network._prepare_backbone_features(backbone)
        feats[-1] = feats[-1] + network.no_mem_embed
        return [
            feat.permute(1, 2, 0).reshape(1, -1, *size)
            for feat, size in zip(feats, sizes, strict=True)
        ]

    def embed_cached(
        self, image: Tensor, between: Callable[[float], None] | None = None
    ) -> Embedding:
        """What `embed` gives, kept for the next time the same pixels come, within a budget."""
        kept = self.embeddings.get(image, self.dtype, lambda image: self.embed(image, between))
        return kept if kept.device == self.device else kept.to(self.device)


def _is_in(module: torch.nn.Module, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether all weights are on `device` in `dtype`."""
    return all((p.device, p.dtype) == (device, dtype) for p in module.parameters())


@contextmanager
def _before_each_product(
    encoder: torch.nn.Module, call: Callable[[float], None] | None
) -> Iterator[None]:
    if call is None:
        yield
        return
    products = [m for m in encoder.modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))]
    hooks = [m.register_forward_pre_hook(lambda *_: call(1 / len(products))) for m in products]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class _BetweenProducts(TorchFunctionMode):
    """Calls before what takes long besides products: attention, norms, activations.

    A global attention of the large encoder takes more than a second on a CPU, so very many queries
    go some at a time, with calls between. Each query's result is its own, so nothing changes.
    """

    def __init__(self, call: Callable[[float], None]) -> None:
        super().__init__()
        self._call = call

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _LONG:
            self._call(0.0)
        if func is not F.scaled_dot_product_attention or kwargs or len(args) != 3:
            return func(*args, **kwargs)
        query, key, value = args
        long = query.shape[-2] * key.shape[-2] * math.prod(query.shape[:-2]) > _LONG_ATTENTION
        if not long:
            return func(query, key, value)
        out = []
        for some in query.split(_QUERIES_AT_ONCE, dim=-2):
            self._call(0.0)
            out.append(func(some, key, value))
        return torch.cat(out, dim=-2)


def best_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where matrix units compute it, else float16 where they compute that, else float32.

    NVIDIA from Ampere on and AMD from CDNA 2 and RDNA 3 on have bfloat16, NVIDIA's Volta and Turing
    and older AMD cards float16. Turing's small cards, which have no matrix units and are known for
    NaNs in float16, Apple's GPUs, the CPU and whatever else stay at float32.
    """
    if device.type != "cuda":
        return torch.float32
    if torch.version.hip:
        name = str(torch.cuda.get_device_properties(device).gcnArchName)
        return torch.bfloat16 if name.startswith(_AMD_WITH_BFLOAT16) else torch.float16
    capability = torch.cuda.get_device_capability(device)
    if capability >= (8, 0):
        return torch.bfloat16
    name = str(torch.cuda.get_device_properties(device).name)
    plain = capability < (7, 0) or _NVIDIA_WITHOUT_MATRIX_UNITS.search(name)
    return torch.float32 if plain else torch.float16


def preprocess(image: Tensor, side: int) -> Tensor:
    """Resize float (H, W, 3) in [0, 1] to (1, 3, side, side) and normalise as SAM 2 expects.

    Antialiased bilinear, the aspect not kept: what the sam2 package's transforms do to the same
    image as uint8. Raises InputError when a value isn't finite.
    """
    planes = torch.split(image.permute(2, 0, 1)[None], 1, dim=1)  # one by one: no copy of it all
    small = torch.cat([_shrink(plane.contiguous(), side) for plane in planes], dim=1)
    if not torch.isfinite(small).all():
        raise InputError("image: wanted values in [0, 1], got NaN or infinity.")
    mean = torch.tensor(_MEAN, device=image.device).view(1, 3, 1, 1)
    std = torch.tensor(_STD, device=image.device).view(1, 3, 1, 1)
    normalised: Tensor = (small.clamp(0, 1) - mean) / std
    return normalised


def _shrink(plane: Tensor, side: int) -> Tensor:
    return F.interpolate(plane, (side, side), mode="bilinear", align_corners=False, antialias=True)


def load_sam2(
    source: str | Path = "nano",
    device: torch.device | str = "cpu",
    dtype: torch.dtype | str | None = None,
) -> Sam2:
    """Load a checkpoint and put it on `device`.

    source: a file in any known format, or "nano" for the embedded model. dtype: what to compute
    in (a torch dtype or a name of `PRECISIONS`); None chooses by device. Raises InputError when
    the file is missing, broken or not SAM 2, there is no such device, or the sam2 package can't
    be used.
    """
    from .checkpoint import load_checkpoint

    precision = "auto" if dtype is None else str(dtype).removeprefix("torch.")
    place = _usable(device)
    loaded = load_checkpoint(source)
    network = loaded.network.to(place)
    return Sam2(network, loaded.architecture, loaded.version, precision, loaded.has_memory)


def _usable(device: torch.device | str) -> torch.device:
    """The device called so. Raises InputError where this machine or this torch has none."""
    try:
        place = torch.device(device)
        torch.empty(1, device=place)
    except (RuntimeError, AssertionError, ImportError) as error:
        raise InputError(
            f"device: wanted cpu, or a device that this PyTorch can use, got {str(device)!r}."
        ) from error
    return place
