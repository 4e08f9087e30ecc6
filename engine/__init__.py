"""The public engine API. Names load on first use, so importing this is fast and needs no sam2."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Regions": "regions",
    "InputError": "ops.checks",
    "Sam2": "sam2.model",
    "Embedding": "sam2.model",
    "load_sam2": "sam2.model",
    "Prompt": "sam2.prompts",
    "segment_prompts": "sam2.prompts",
    "Everything": "sam2.automatic",
    "segment_everything": "sam2.automatic",
    "select": "selection",
    "measure_coverage": "cover",
    "Coverage": "cover",
    "fill_coverage": "cover",
    "distance_to": "field",
    "field_from_depth": "field",
    "field_from_distance": "field",
    "combine_fields": "field",
    "blend_strengths": "blend",
    "composite": "apply",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return list(__all__)
