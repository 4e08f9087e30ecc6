"""From a click in the editor to its mask on the screen: python benchmarks/click_to_mask.py

Starts a real ComfyUI on the CPU and its front end in headless Chromium, opens Load Image and Load
SAM 2 Model (embedded) into Segment with Prompts, and clicks. The clock runs in the page, from the
release of the button to the frame after the mask was painted, so it holds everything: the queue,
the node, the files, the drawing. The first click, which encodes the image, is given apart.

Other work on the machine lengthens all of that, so the processor time that ComfyUI and the browser
spent on a click, all their threads together, stands beside it (on Linux).
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Clicks:
    """Milliseconds of each click; processor milliseconds of one after the first, or None."""

    times: list[float]
    server: float | None
    browser: float | None


def processor_ms(root: int) -> float | None:
    """Processor milliseconds that a process and its descendants have used; None if unknown."""
    spent: dict[int, tuple[int, float]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks = int(fields[11]) + int(fields[12])
        spent[int(path.parent.name)] = int(fields[1]), 1000 * ticks / os.sysconf("SC_CLK_TCK")
    if root not in spent:
        return None
    family = {root}
    while True:
        more = {pid for pid, (parent, _) in spent.items() if parent in family} - family
        if not more:
            return sum(spent[pid][1] for pid in family)
        family |= more


def difference(after: float | None, before: float | None, count: int) -> float | None:
    return None if after is None or before is None else (after - before) / count


def measure(front: Any, picture: str, clicks: int) -> Clicks:
    """Click on a new workflow with this picture."""
    editor = Editor(front, "")
    editor.open(workflow(picture))
    editor.page.evaluate(WATCH)
    server, everything = front.host.process.pid, os.getpid()
    for index in range(clicks):
        if index == 1:
            before = processor_ms(server), processor_ms(everything)
        at = editor.place(0.2 + 0.6 * index / clicks, 0.35 + 0.3 * (index % 3) / 2)
        editor.click(at)
        # Polled at intervals: asking with every frame would keep the page drawing frames.
        done = f"window.clickTimes.length > {index}"
        editor.page.wait_for_function(done, timeout=120_000, polling=100)
        editor.page.wait_for_timeout(100)
    after = processor_ms(server), processor_ms(everything)
    on_server, on_all = (difference(a, b, clicks - 1) for a, b in zip(after, before, strict=True))
    on_browser = None if on_server is None or on_all is None else on_all - on_server
    return Clicks(editor.page.evaluate("window.clickTimes"), on_server, on_browser)


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
            print(f"{'':<28}{'first':>9}{'median':>9}{'worst':>9}{'server':>9}{'browser':>9}   ms")
            for name in pictures(host, options.pictures):
                found = measure(front, name, max(3, options.clicks))
                first, *later = found.times
                told = (first, statistics.median(later), max(later), found.server, found.browser)
                numbers = "".join("        -" if n is None else f"{n:9.0f}" for n in told)
                print(f"{name:<28}{numbers}", flush=True)
            context.close()
        finally:
            stop(host)


if __name__ == "__main__":
    main()
