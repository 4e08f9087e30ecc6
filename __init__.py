"""Region Fields: SAM 2 regions and continuous strength fields for ComfyUI."""

from __future__ import annotations

from typing import Any

WEB_DIRECTORY = "./web"


async def comfy_entrypoint() -> Any:
    """Called once by ComfyUI; returns the extension that lists the nodes."""
    from .nodes import RegionFieldsExtension

    return RegionFieldsExtension()
