"""Whether the sam2 package can be used, said in one sentence where it can't."""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from importlib.util import find_spec

from ..ops.checks import InputError

_INSTALL = "SAM2_BUILD_CUDA=0 pip install --no-build-isolation sam2"
_NEEDED = (
    ("sam2.modeling.sam2_base", "SAM2Base", "no_obj_embed_spatial"),
    ("sam2.modeling.position_encoding", "PositionEmbeddingSine", "warmup_cache"),
    ("sam2.modeling.sam.mask_decoder", "MaskDecoder", "dynamic_multimask_via_stability"),
)


def require_sam2() -> None:
    """Import what the network is built from.

    Raises InputError when the sam2 package isn't installed, when another folder of that name
    comes first on sys.path, when its copy is too old, or when something it needs is missing.
    """
    for module, name, argument in _NEEDED:
        try:
            found = getattr(import_module(module), name, None)
        except ImportError as error:
            raise InputError(_why_not(error)) from error
        if found is None or argument not in inspect.signature(found.__init__).parameters:
            raise InputError(
                f"SAM 2: the sam2 package at {_where()} is too old or changed ({name} takes no "
                f"{argument}). Wanted sam2 1.1.0 or newer: {_INSTALL}"
            )


def _why_not(error: ImportError) -> str:
    place = _where()
    if place is None:
        return f"SAM 2: the sam2 package isn't installed in this Python. Install it: {_INSTALL}"
    missing = error.name or ""
    if missing == "sam2" or missing.startswith("sam2."):
        return (
            f"SAM 2: the `sam2` that Python finds, at {place}, isn't the sam2 package (it has no "
            f"{missing}); it probably belongs to another node pack. Rename that folder, or "
            f"install the package so that it comes first: {_INSTALL}"
        )
    return f"SAM 2: the sam2 package at {place} doesn't import: {error}. Install what it needs."


def _where() -> str | None:
    """The folder or file that `import sam2` finds, None where it finds nothing."""
    module = sys.modules.get("sam2")
    try:
        spec = module.__spec__ if module is not None else find_spec("sam2")
    except (ImportError, ValueError):
        spec = None
    paths = list(getattr(module, "__path__", None) or [])
    if spec is not None:
        paths += list(spec.submodule_search_locations or []) or [str(spec.origin)]
    if module is not None and not paths:
        paths = [str(getattr(module, "__file__", "an unknown place"))]
    return paths[0] if paths else None
