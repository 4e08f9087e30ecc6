"""From a click in the editor to its mask on the screen: python benchmarks/click_to_mask.py

Starts a real ComfyUI on the CPU and its front end in headless Chromium, opens Load Image and Load
SAM 2 Model (embedded) into Segment with Prompts, and clicks. The clock runs in the page, from the
release of the button to the frame after the mask was painted, so it holds everything: the queue,
the node, the files, the drawing. The first click, which encodes the image, is given apart.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "host"), str(ROOT / "tests" / "browser")]

from comfy_browser import FLAGS, open_front_end  # noqa: E402
from comfy_server import Host, find_checkout, start, stop  # noqa: E402
from PIL import Image  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402
from prompt_editor import Editor, draw, workflow  # noqa: E402

WATCH = """() => {
  const editor = document.querySelector('.rf-editor');
  window.clickTimes = [];
  let pressed = 0;
  editor.addEventListener('pointerup', () => { pressed = performance.now() }, true);
  new MutationObserver(() => {
    if (!pressed || editor.dataset.mask !== 'current') return;
    const from = pressed;
    pressed = 0;
    requestAnimationFrame(() => window.clickTimes.push(performance.now() - from));
  }).observe(editor, { attributes: true, attributeFilter: ['data-mask'] });
}"""


def measure(front: Any, picture: str, clicks: int) -> list[float]:
    """Milliseconds of each click on a new workflow with this picture."""
    editor = Editor(front, "")
    editor.open(workflow(picture))
    editor.page.evaluate(WATCH)
    for index in range(clicks):
        at = editor.place(0.2 + 0.6 * index / clicks, 0.35 + 0.3 * (index % 3) / 2)
        editor.click(at)
        editor.page.wait_for_function(f"window.clickTimes.length > {index}", timeout=120_000)
        editor.page.wait_for_timeout(100)
    return editor.page.evaluate("window.clickTimes")


def pictures(host: Host, given: list[Path]) -> list[str]:
    """Names of the pictures in ComfyUI's input folder: drawings of 1 and 8 MP, then `given`."""
    names = [draw(host, width, height).name for width, height in ((1152, 896), (3456, 2304))]
    for path in given:
        with Image.open(path) as picture:
            picture.save(host.folder / "input" / f"{path.stem}.png")
        names.append(f"{path.stem}.png")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="*", type=Path, help="more pictures to click on")
    parser.add_argument("--clicks", type=int, default=12)
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    options = parser.parse_args()
    checkout = find_checkout()
    if isinstance(checkout, str):
        sys.exit(checkout)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        host = start(checkout, Path(folder) / "comfyui")
        try:
            host.post("/settings/Comfy.TutorialCompleted", True)
            host.post("/settings/Comfy.Workflow.Persist", False)
            context = play.chromium.launch_persistent_context(
                str(Path(folder) / "chromium"),
                executable_path=options.chromium,
                args=list(FLAGS),
                viewport={"width": 1600, "height": 1000},
            )
            front = open_front_end(context, host)
            print(f"{'picture':<28} {'first':>9} {'median':>9} {'worst':>9}   ms")
            for name in pictures(host, options.pictures):
                first, *later = measure(front, name, options.clicks)
                median, worst = statistics.median(later), max(later)
                print(f"{name:<28} {first:9.0f} {median:9.0f} {worst:9.0f}", flush=True)
            context.close()
        finally:
            stop(host)


if __name__ == "__main__":
    main()
