"""Checkpoints: tell which SAM 2 a file holds, and load it strictly.

Known formats: Meta's .pt ({"model": state dict}), safetensors with Meta's names, safetensors or
PyTorch files with the names of Hugging Face transformers, and the embedded model. What a file is
comes from its bytes and its tensors' names and shapes, never from its name.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ..ops.checks import InputError
from .architecture import ARCHITECTURES, Architecture, build_network
from .package import require_sam2
from .transformers_keys import from_transformers, is_transformers

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base

NANO = Path(__file__).with_name("nano.safetensors")
UNKNOWN_VERSION = "2.0 or 2.1"

_PATCH = "image_encoder.trunk.patch_embed.proj.weight"
_BLOCKS = "image_encoder.trunk.blocks."
_IMAGE_PARTS = ("image_encoder.", "sam_prompt_encoder.", "sam_mask_decoder.", "no_mem_embed")
_NOT_SAM2 = (
    (("detector.", "tracker.", "detector_model.", "tracker_model."), "SAM 3"),
    (("image_encoder.blocks.", "vision_encoder.layers."), "SAM 1"),
    (("image_encoder.layers.", "image_encoder.patch_embed.seq."), "MobileSAM"),
    (("prompt_encoder.", "mask_decoder."), "a SAM of another generation"),
)


class _Unfilled(TorchFunctionMode):
    """Leaves parameters unfilled while a network is built whose every value a file replaces.

    Filling them at random takes longer than reading them.
    """

    _FILLS = frozenset({"kaiming_uniform_", "uniform_", "normal_", "trunc_normal_", "erfinv_"})

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in self._FILLS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


@dataclass(frozen=True, eq=False)
class Loaded:
    """A network with the weights of a file, float32 on the CPU, and what it is.

    version: "2.0", "2.1", or `UNKNOWN_VERSION` where only the image part, which both share, is
    in the file; has_memory is False then.
    """

    network: SAM2Base
    architecture: Architecture
    version: str
    has_memory: bool


def load_checkpoint(source: str | Path) -> Loaded:
    """Build the network that the file at `source` describes and load its weights strictly.

    source: a path, or "nano" for the embedded model. Only tensors are read; code in a pickle is
    never run. A file without the memory modules loads for images; any other difference between
    file and network raises InputError, and so does a file that is missing, cut short or no SAM 2,
    and a sam2 package that can't be used.
    """
    path = NANO if source == "nano" else Path(source).expanduser()
    if not path.is_file():
        what = "the embedded model is missing: reinstall the pack" if source == "nano" else "none"
        raise InputError(f"SAM 2 checkpoint: wanted a file at {path}, found {what}.")
    state = read_state(path)
    architecture, version, has_memory = identify(state, path.name)
    require_sam2()
    with _Unfilled() if has_memory else nullcontext():
        network = build_network(architecture, "2.0" if version == "2.0" else "2.1")
    _check_fit(state, network.state_dict(), has_memory, path.name)
    network.load_state_dict(state, strict=has_memory)
    return Loaded(network, architecture, version, has_memory)


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors in a file by the sam2 package's names. Raises InputError."""
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(b"version https://git-lfs"):
        raise InputError(
            f"SAM 2 checkpoint: {path.name} is a Git LFS pointer, not the weights. Download the "
            "file itself."
        )
    if head.lstrip()[:1] == b"<":
        raise InputError(
            f"SAM 2 checkpoint: {path.name} is a web page, not weights. Download the file again."
        )
    state = _read_safetensors(path) if head[8:9] == b"{" else _read_pickle(path)
    return from_transformers(state) if is_transformers(state) else state


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise _broken(path) from error
    return state


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        with path.open("rb") as file:  # by path, torch would go by the suffix
            held = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if zipfile.is_zipfile(path):
            raise InputError(
                f"SAM 2 checkpoint: {path.name} holds Python objects beside its tensors, and "
                "loading those could run code. Save its state dict alone, or as safetensors."
            ) from error
        raise _broken(path) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError) as error:
        raise _broken(path) from error
    for name in ("model", "state_dict"):
        if isinstance(held, Mapping) and isinstance(held.get(name), Mapping):
            held = held[name]
    return _only_tensors(held, path)


def _only_tensors(held: Any, path: Path) -> dict[str, Tensor]:
    if not isinstance(held, Mapping) or not held:
        raise InputError(
            f"SAM 2 checkpoint: {path.name} holds {type(held).__name__}, wanted a state dict."
        )
    return {str(name): value for name, value in held.items() if isinstance(value, Tensor)}


def _broken(path: Path) -> InputError:
    return InputError(
        f"SAM 2 checkpoint: {path.name} ({path.stat().st_size} bytes) is cut short, damaged, or "
        "neither PyTorch nor safetensors. Download it again."
    )


def identify(state: Mapping[str, Tensor], name: str = "the file") -> tuple[Architecture, str, bool]:
    """The architecture and version of a state dict, and whether it holds the memory modules.

    The channels of the patch embedding and the number of blocks tell the size; 2.1 has an
    occlusion embedding that 2.0 lacks. `name` is what errors call the file. Raises InputError.
    """
    if _PATCH not in state:
        raise InputError(f"SAM 2 checkpoint: {name} {_what_else(state)}.")
    depth = len({key.split(".")[3] for key in state if key.startswith(_BLOCKS)})
    found = (state[_PATCH].shape[0], depth)
    has_memory = any(not key.startswith(_IMAGE_PARTS) for key in state)
    version = "2.1" if "no_obj_embed_spatial" in state else "2.0"
    for architecture in ARCHITECTURES.values():
        if found == (architecture.embed_dim, sum(architecture.stages)):
            return architecture, version if has_memory else UNKNOWN_VERSION, has_memory
    known = ", ".join(f"{a.name} {a.embed_dim}/{sum(a.stages)}" for a in ARCHITECTURES.values())
    raise InputError(
        f"SAM 2 checkpoint: {name} has {found[0]} channels in {found[1]} blocks, which is no "
        f"architecture known here ({known})."
    )


def _what_else(state: Mapping[str, Tensor]) -> str:
    for prefixes, model in _NOT_SAM2:
        if any(key.startswith(prefixes) for key in state):
            return f"is {model}, wanted SAM 2 or 2.1 (sam2_hiera_* or sam2.1_hiera_*)"
    first = next(iter(state), "nothing")
    return (
        f"isn't SAM 2, which sam2_hiera_* and sam2.1_hiera_* are: its first of {len(state)} "
        f"tensors is {first!r}"
    )


def _check_fit(
    state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], has_memory: bool, name: str
) -> None:
    """Raise InputError unless names and shapes agree, the memory modules left out if absent."""
    expected = {
        key: value for key, value in wanted.items() if has_memory or key.startswith(_IMAGE_PARTS)
    }
    missing = [key for key in expected if key not in state]
    extra = [key for key in state if key not in expected]
    reshaped = [key for key in expected if key in state and state[key].shape != wanted[key].shape]
    for keys, what in ((missing, "lacks"), (extra, "has the unknown"), (reshaped, "has misshapen")):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise InputError(
                f"SAM 2 checkpoint: {name} {what} {keys[0]}{more}; it isn't an unmodified SAM 2 "
                "or 2.1 checkpoint."
            )
