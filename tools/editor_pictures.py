"""Make the pictures of the prompt editor for the README and its help page, in one command:

    python tools/editor_pictures.py

Starts a ComfyUI on the CPU (COMFYUI_DIR, as the host tests do) with its front end in headless
Chromium, opens Segment with Prompts on the demo scene with the embedded model, runs it and takes
the node's picture: in Nodes 2.0 for the README, in the classic canvas for the help page. The
prompts come from the scene's own region map, so they fit whatever scene is rendered.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "host"), str(ROOT / "tests" / "browser")]

import comfy_browser  # noqa: E402
import comfy_server  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402
from prompt_editor import NODE, Editor, workflow  # noqa: E402

INPUTS = ROOT / "example_workflows" / "inputs"
PICTURES = {
    "nodes 2.0": ROOT / "docs" / "images" / "prompt_editor.jpg",
    "canvas": ROOT / "web" / "docs" / NODE / "editor.jpg",
}
SIZE = (640, 760)
MARGIN = 6
QUALITY = 88


def prompts() -> str:
    """The vase by a box and a click, the mug by a box and a click beside it, the pear by one."""
    facts = json.loads((INPUTS / "still_life.json").read_text())
    with Image.open(INPUTS / "still_life_regions.png") as picture:
        labels = np.asarray(picture)
    places = {name: place(labels == i) for i, name in enumerate(facts["names"])}
    vase, mug, pear = places["vase"], places["mug"], places["pear"]
    objects = [
        {"points": [at(vase, 0.5, 0.15, 1)], "box": vase, "name": "vase"},
        {"points": [at(mug, 1.04, 0.96, 0)], "box": mug, "name": "mug"},
        {"points": [at(pear, 0.5, 0.6, 1)], "box": None, "name": "pear"},
    ]
    return json.dumps({"version": 1, "objects": objects})


def place(mask: np.ndarray) -> dict[str, int]:
    """The box around a region, a few pixels wide of it, as a user would draw it."""
    (y0, x0), (y1, x1) = np.argwhere(mask).min(0) - 4, np.argwhere(mask).max(0) + 5
    height, width = mask.shape
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    return {"x": int(x0), "y": int(y0), "width": int(x1 - x0), "height": int(y1 - y0)}


def at(box: dict[str, int], right: float, down: float, label: int) -> dict[str, int]:
    """A point at fractions of a box."""
    x, y = box["x"] + right * box["width"], box["y"] + down * box["height"]
    return {"x": round(x), "y": round(y), "label": label}


def take(context: Any, host: comfy_server.Host, renderer: str) -> Image.Image:
    """The node's picture in one renderer."""
    host.post("/settings/Comfy.VueNodes.Enabled", renderer != "canvas")
    front = comfy_browser.open_front_end(context, host)
    editor, saved = Editor(front, renderer), workflow("still_life.jpg", prompts())
    saved["nodes"][2]["size"] = list(SIZE)
    editor.open(saved)
    editor.page.evaluate("() => { window.app.canvas.ds.offset = [0, 0] }")
    front.queue()
    editor.wait_for_mask()
    editor.page.keyboard.press("Escape")
    editor.page.locator(".rf-chip").first.click()
    editor.page.mouse.move(5, 5)
    editor.page.wait_for_timeout(1000)
    x, y, width, height = editor.node("[...node.pos, ...node.size]")
    title = 32
    clip = {
        "x": x - MARGIN,
        "y": y - title - MARGIN,
        "width": width + 2 * MARGIN,
        "height": height + title + 2 * MARGIN,
    }
    shot = Image.open(io.BytesIO(editor.page.screenshot(clip=clip)))
    front.page.close()
    return shot.convert("RGB")


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    checkout = comfy_server.find_checkout()
    if isinstance(checkout, str):
        sys.exit(checkout)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        host = comfy_server.start(checkout, Path(folder) / "comfyui")
        try:
            host.post("/settings/Comfy.Workflow.Persist", False)
            context = comfy_browser.launch(play, Path(folder) / "chromium")
            for renderer, path in PICTURES.items():
                take(context, host, renderer).save(path, quality=QUALITY)
                print(path.relative_to(ROOT), flush=True)
            context.close()
        finally:
            comfy_server.stop(host)


if __name__ == "__main__":
    main()
