"""The prompt editor in ComfyUI's page, and how a user handles it."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from comfy_browser import FIRST_GRAPH, READY, FrontEnd
from comfy_server import Host
from PIL import Image, ImageDraw

NODE = "RegionFields_SegmentPrompts"
MODEL = "sam2-nano (embedded)"
GROUND = (222, 214, 196)
COLOURS = {"disc": (200, 30, 40), "block": (20, 60, 200), "speck": (10, 150, 60)}
SPECK = (0.6, 0.3)


@dataclass(frozen=True)
class Drawing:
    """A flat picture with a disc and a block on it, and where they are: bool (H, W).

    A speck, 7 pixels wide, lies at `SPECK`, in fractions of the width and height.
    """

    name: str
    width: int
    height: int
    disc: np.ndarray
    block: np.ndarray


def draw(host: Host, width: int, height: int) -> Drawing:
    """Make such a picture and put it where Load Image finds it."""
    size = min(width, height)
    radius, half = size * 0.2, size * 0.17
    at = (width * 0.27, height * 0.3), (width * 0.68, height * 0.66)
    places = {
        "disc": [at[0][0] - radius, at[0][1] - radius, at[0][0] + radius, at[0][1] + radius],
        "block": [at[1][0] - half, at[1][1] - half, at[1][0] + half, at[1][1] + half],
    }
    picture, truth = Image.new("RGB", (width, height), GROUND), {}
    for name, place in places.items():
        mask = Image.new("1", (width, height))
        for target, fill in ((picture, COLOURS[name]), (mask, 1)):
            pen = ImageDraw.Draw(target)
            (pen.ellipse if name == "disc" else pen.rectangle)(place, fill=fill)
        truth[name] = np.asarray(mask)
    x, y = int(SPECK[0] * width), int(SPECK[1] * height)
    ImageDraw.Draw(picture).rectangle([x - 3, y - 3, x + 3, y + 3], fill=COLOURS["speck"])
    name = f"drawing_{width}x{height}.png"
    picture.save(host.folder / "input" / name)
    return Drawing(name, width, height, **truth)


def workflow(image: str, points: str = "", live: bool = True) -> dict[str, Any]:
    """Load Image and Load SAM 2 Model into the node; what Save would write."""
    prompts = [points, "as given", "best", 0, 0.0]
    return {
        "last_node_id": 3,
        "last_link_id": 2,
        "nodes": [
            {
                "id": 1,
                "type": "LoadImage",
                "pos": [40, 100],
                "size": [280, 320],
                "widgets_values": [image, "image"],
                "outputs": [
                    {"name": "IMAGE", "type": "IMAGE", "links": [1]},
                    {"name": "MASK", "type": "MASK", "links": None},
                ],
            },
            {
                "id": 2,
                "type": "RegionFields_LoadSam2",
                "pos": [40, 480],
                "size": [280, 100],
                "widgets_values": [MODEL, "auto"],
                "outputs": [{"name": "model", "type": "REGION_FIELDS_SAM2", "links": [2]}],
            },
            {
                "id": 3,
                "type": NODE,
                "pos": [380, 80],
                "size": [560, 760],
                "properties": {"region_fields_live": live},
                "widgets_values": prompts,
                "inputs": [
                    {"name": "image", "type": "IMAGE", "link": 1},
                    {"name": "model", "type": "REGION_FIELDS_SAM2", "link": 2},
                ],
            },
        ],
        "links": [
            [1, 1, 0, 3, 0, "IMAGE"],
            [2, 2, 0, 3, 1, "REGION_FIELDS_SAM2"],
        ],
        "groups": [],
        "version": 0.4,
    }


@dataclass
class Editor:
    """The editor of the node of type NODE on an open page."""

    front: FrontEnd
    renderer: str

    @property
    def page(self) -> Any:
        return self.front.page

    def open(self, saved: dict[str, Any], scale: float = 1.0) -> None:
        """Open a workflow with the graph zoomed to `scale` and wait until the picture shows."""
        self.front.open(saved)
        self.page.evaluate(
            "scale => { const ds = window.app.canvas.ds; ds.scale = scale;"
            " ds.offset = [60, 40]; window.app.canvas.setDirty(true, true) }",
            scale,
        )
        self.page.locator(".rf-hint").wait_for(state="hidden")
        self.page.wait_for_timeout(300)

    def reload(self) -> None:
        """What F5 does, up to where a workflow can be opened."""
        self.page.reload(wait_until="domcontentloaded")
        self.page.wait_for_function(READY)
        self.page.wait_for_function(FIRST_GRAPH)
        self.page.wait_for_timeout(500)

    def open_in_subgraph(self, saved: dict[str, Any]) -> None:
        """Open a workflow and turn its node of type NODE into a subgraph."""
        self.open(saved)
        self.node("window.app.canvas.selectItems([node])")
        run = "id => window.app.extensionManager.command.execute(id)"
        self.page.evaluate(run, "Comfy.Graph.ConvertToSubgraph")

    def enter(self, outer: str) -> None:
        """Open the subgraph of `outer`, JavaScript for a node of `graph`, at its node of NODE."""
        self.page.evaluate(
            "() => { const { canvas, graph } = window.app;"
            f" const outer = {outer};"
            " canvas.openSubgraph(outer.subgraph, outer);"
            f" const node = canvas.graph.nodes.find(n => n.type === '{NODE}');"
            " canvas.ds.scale = 1; canvas.ds.offset = [200 - node.pos[0], 100 - node.pos[1]];"
            " canvas.setDirty(true, true) }"
        )

    def node(self, what: str) -> Any:
        """A JavaScript expression of `node`."""
        return self.page.evaluate(
            f"() => {{ const node = window.app.graph.nodes.find(n => n.type === '{NODE}');"
            f" return {what} }}"
        )

    @property
    def text(self) -> str:
        return self.node("node.widgets.find(w => w.name === 'points').value")

    @property
    def objects(self) -> list[dict[str, Any]]:
        return json.loads(self.text)["objects"] if self.text else []

    @property
    def status(self) -> str:
        return self.page.locator(".rf-text").inner_text()

    @property
    def alarm(self) -> str:
        """What is said over the picture, "" for nothing."""
        banner = self.page.locator(".rf-banner")
        return banner.locator("span").inner_text() if banner.is_visible() else ""

    @property
    def cursor(self) -> str:
        return self.page.locator(".rf-stage canvas").evaluate("c => c.style.cursor")

    def box(self) -> dict[str, float]:
        """Where the picture's canvas is on the page."""
        return self.page.locator(".rf-stage canvas").bounding_box()

    def place(self, right: float, down: float) -> tuple[float, float]:
        """A place on the page, as fractions of the canvas."""
        box = self.box()
        return box["x"] + right * box["width"], box["y"] + down * box["height"]

    def see(self, colour: str) -> tuple[float, float]:
        """Where on the page the middle of the shape of this colour is seen."""
        box = self.box()
        with Image.open(io.BytesIO(self.page.screenshot(clip=box))) as shot:
            pixels = np.asarray(shot.convert("RGB"), np.int64)
        close = np.abs(pixels - COLOURS[colour]).sum(axis=-1) < 40
        assert close.sum() > 8, f"no {colour} to be seen"
        down, right = (axis.mean() for axis in np.nonzero(close))
        scale = box["width"] / pixels.shape[1]
        return box["x"] + (right + 0.5) * scale, box["y"] + (down + 0.5) * scale

    def choose(self, name: str, value: str) -> None:
        """Set another widget of the node as a user does, in this renderer."""
        if self.renderer == "canvas":
            place = self.node(
                "(() => { const { ds } = window.app.canvas;"
                f" const widget = node.widgets.find(w => w.name === '{name}');"
                " const rect = window.app.canvas.canvas.getBoundingClientRect();"
                " return [(node.pos[0] + node.size[0] - 25 + ds.offset[0]) * ds.scale + rect.left,"
                " (node.pos[1] + widget.last_y + 10 + ds.offset[1]) * ds.scale + rect.top] })()"
            )
            options = self.node(f"node.widgets.find(w => w.name === '{name}').options.values")
            for _ in range(options.index(value)):
                self.click(tuple(place))
                self.page.wait_for_timeout(400)
        else:
            now = self.node(f"node.widgets.find(w => w.name === '{name}').value")
            self.page.locator("[role=combobox]", has_text=now).last.click()
            self.page.get_by_text(value, exact=True).last.click()

    def click(self, at: tuple[float, float], **how: Any) -> None:
        self.page.mouse.click(*at, **how)

    def drag(self, start: tuple[float, float], end: tuple[float, float], key: str = "") -> None:
        if key:
            self.page.keyboard.down(key)
        self.page.mouse.move(*start)
        self.page.mouse.down()
        self.page.mouse.move(*end, steps=5)
        self.page.mouse.up()
        if key:
            self.page.keyboard.up(key)

    def wait_for_mask(self) -> np.ndarray:
        """The object numbers (H, W) that the editor shows, once they are those of its prompts."""
        self.page.locator('.rf-editor[data-mask="current"]').wait_for(timeout=60_000)
        saved = self.node("window.app.nodeOutputs[node.id].region_fields_prompts[0].labels")
        return np.rint(self.front.host.view(saved)[..., 0].numpy() * 255).astype(np.uint8)


def overlap(mask: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union."""
    return float((mask & truth).sum() / (mask | truth).sum())
