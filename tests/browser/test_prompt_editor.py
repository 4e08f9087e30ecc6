"""The prompt editor in a real front end: what a user does with it, and what comes of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from comfy_server import Host
from prompt_editor import Drawing, Editor, draw, overlap, workflow

pytestmark = [pytest.mark.host, pytest.mark.browser]

# Three aspect ratios, each at another zoom of the graph.
CASES = [(640, 480, 1.0), (1200, 300, 0.6), (300, 900, 1.25)]


@pytest.fixture
def drawing(host: Host) -> Drawing:
    return draw(host, 640, 480)


def point(x: int, y: int, label: int = 1) -> dict[str, int]:
    return {"x": x, "y": y, "label": label}


def saved_prompts(*objects: dict[str, Any]) -> str:
    return json.dumps({"version": 1, "objects": list(objects)})


def one_point(editor: Editor) -> tuple[int, int]:
    (only,) = editor.objects
    (held,) = only["points"]
    return held["x"], held["y"]


@pytest.mark.parametrize(("width", "height", "scale"), CASES)
def test_a_click_on_a_shape_segments_that_shape(
    editor: Editor, host: Host, width: int, height: int, scale: float
) -> None:
    drawing = draw(host, width, height)
    editor.open(workflow(drawing.name), scale)
    editor.click(editor.see("disc"))
    mask = editor.wait_for_mask()
    x, y = one_point(editor)
    assert np.hypot(x - 0.27 * width, y - 0.3 * height) < 0.01 * max(width, height)
    assert overlap(mask == 1, drawing.disc) > 0.8


def test_after_zooming_and_panning_a_click_still_lands_where_it_was(
    editor: Editor, drawing: Drawing
) -> None:
    editor.open(workflow(drawing.name, live=False))
    before = editor.node("[...window.app.canvas.ds.offset, window.app.canvas.ds.scale]")
    editor.page.mouse.move(*editor.see("speck"))
    for _ in range(4):
        editor.page.mouse.wheel(0, -240)
    here = editor.place(0.5, 0.5)
    editor.page.mouse.move(*here)
    editor.page.mouse.down(button="middle")
    editor.page.mouse.move(here[0] - 40, here[1] + 30, steps=4)
    editor.page.mouse.up(button="middle")
    editor.page.wait_for_timeout(300)
    editor.click(editor.see("speck"))
    x, y = one_point(editor)
    assert np.hypot(x - 0.6 * 640, y - 0.3 * 480) < 2
    assert editor.node("[...window.app.canvas.ds.offset, window.app.canvas.ds.scale]") == before


def test_the_right_button_and_alt_exclude(editor: Editor, drawing: Drawing) -> None:
    editor.open(workflow(drawing.name, live=False))
    editor.click(editor.place(0.3, 0.4))
    editor.click(editor.place(0.6, 0.4), button="right")
    editor.page.keyboard.down("Alt")
    editor.click(editor.place(0.7, 0.6))
    editor.page.keyboard.up("Alt")
    (only,) = editor.objects
    assert [held["label"] for held in only["points"]] == [1, 0, 0]
    assert editor.page.locator(".p-contextmenu:visible, .litecontextmenu:visible").count() == 0


def test_a_drag_draws_a_box_and_shift_begins_another_object(
    editor: Editor, drawing: Drawing
) -> None:
    editor.open(workflow(drawing.name))
    place = editor.node("[...node.pos]")
    corners = [editor.see("disc"), editor.see("block")]
    reach = 110 * min(editor.box()["width"] / 640, editor.box()["height"] / 480)
    for index, (x, y) in enumerate(corners):
        editor.drag((x - reach, y - reach), (x + reach, y + reach), "Shift" if index else "")
    mask = editor.wait_for_mask()
    first, second = (held["box"] for held in editor.objects)
    assert first["x"] < 0.27 * 640 < first["x"] + first["width"] < second["x"]
    assert overlap(mask == 1, drawing.disc) > 0.8
    assert overlap(mask == 2, drawing.block) > 0.8
    assert editor.node("[...node.pos]") == place


def test_undo_redo_delete_and_clear_by_keyboard(editor: Editor, drawing: Drawing) -> None:
    editor.open(workflow(drawing.name, live=False))
    texts = [editor.text]
    for place in ((0.3, 0.4), (0.6, 0.6)):
        editor.click(editor.place(*place))
        texts.append(editor.text)
    for keys, wanted in (
        ("Control+z", texts[1]),
        ("Control+z", texts[0]),
        ("Control+Shift+z", texts[1]),
        ("Control+y", texts[2]),
        ("Shift+Delete", ""),
        ("Control+z", texts[2]),
    ):
        editor.page.keyboard.press(keys)
        editor.page.wait_for_timeout(150)
        assert editor.text == wanted, keys
    editor.click(editor.place(0.6, 0.6))
    editor.page.keyboard.press("Delete")
    assert editor.text == texts[1]
    assert editor.node("window.app.graph.nodes.length") == 3


def test_a_point_is_moved_by_dragging_it_and_by_the_arrow_keys(
    editor: Editor, drawing: Drawing
) -> None:
    editor.open(workflow(drawing.name, saved_prompts({"points": [point(320, 240)]}), live=False))
    start = editor.place(0.5, 0.5)
    editor.drag(start, (start[0] + 50, start[1]))
    x, y = one_point(editor)
    assert x > 340
    assert abs(y - 240) <= 1
    editor.page.keyboard.press("ArrowLeft")
    editor.page.keyboard.press("Shift+ArrowDown")
    assert one_point(editor) == (x - 1, y + 10)


def test_the_keyboard_alone_places_points(editor: Editor, drawing: Drawing) -> None:
    editor.open(workflow(drawing.name, live=False))
    editor.page.locator(".rf-keys").focus()
    for keys in ("Shift+ArrowRight", "ArrowUp", "Enter", "Escape", "Alt+Enter"):
        editor.page.keyboard.press(keys)
    (only,) = editor.objects
    assert only["points"][0] == point(330, 239)
    assert only["points"][1]["label"] == 0


def test_prompts_survive_saving_and_opening_again_and_run(editor: Editor, drawing: Drawing) -> None:
    editor.open(workflow(drawing.name))
    editor.click(editor.see("block"))
    editor.wait_for_mask()
    text, saved = editor.text, editor.front.saved()
    editor.front.open({"nodes": [], "links": [], "version": 0.4})
    editor.open(saved)
    assert editor.text == text
    assert editor.front.prompt()["3"]["inputs"]["points"] == text
    editor.front.queue()
    assert overlap(editor.wait_for_mask() == 1, drawing.block) > 0.8


def test_prompts_and_picture_survive_another_tab(editor: Editor, drawing: Drawing) -> None:
    editor.open(workflow(drawing.name, saved_prompts({"points": [point(172, 144)]})))
    editor.front.queue()
    editor.wait_for_mask()
    run = "id => window.app.extensionManager.command.execute(id)"
    editor.page.evaluate(run, "Comfy.NewBlankWorkflow")
    editor.page.locator(".rf-editor").wait_for(state="detached")
    editor.page.evaluate(run, "Workspace.PreviousOpenedWorkflow")
    mask = editor.wait_for_mask()
    assert editor.objects[0]["points"] == [point(172, 144)]
    assert overlap(mask == 1, drawing.disc) > 0.8


def test_a_copied_node_has_its_own_prompts(editor: Editor, drawing: Drawing) -> None:
    editor.open(workflow(drawing.name, saved_prompts({"points": [point(100, 100)]}), live=False))
    editor.page.evaluate(
        "() => { const { canvas, graph } = window.app;"
        " canvas.selectItems([graph.nodes.find(n => n.id === 3)]);"
        " canvas.copyToClipboard(); canvas.pasteFromClipboard({ position: [1000, 80] }) }"
    )
    editor.page.wait_for_timeout(500)
    editor.click(editor_of(editor, 0, 0.7, 0.7))
    values = editor.page.evaluate(
        "() => window.app.graph.nodes.filter(n => n.type.endsWith('SegmentPrompts'))"
        ".map(n => JSON.parse(n.widgets.find(w => w.name === 'points').value))"
    )
    assert sorted(len(value["objects"][0]["points"]) for value in values) == [1, 2]


def editor_of(editor: Editor, index: int, right: float, down: float) -> tuple[float, float]:
    box = editor.page.locator(".rf-stage canvas").nth(index).bounding_box()
    return box["x"] + right * box["width"], box["y"] + down * box["height"]


def test_the_node_keeps_its_size(editor: Editor, drawing: Drawing) -> None:
    editor.open(workflow(drawing.name))
    before = editor.node("[...node.size]")
    editor.click(editor.place(0.4, 0.4))
    editor.wait_for_mask()
    editor.page.wait_for_timeout(1500)
    assert editor.node("[...node.size]") == before
    assert editor.box()["height"] > 200


def test_quick_edits_end_in_the_mask_of_the_last_one(editor: Editor, drawing: Drawing) -> None:
    editor.open(workflow(drawing.name))
    posts: list[str] = []
    editor.page.on("request", lambda r: posts.append(r.url) if r.method == "POST" else None)
    target = editor.see("block")
    for step in range(6):
        editor.click((target[0] + step, target[1] + 14 * (step % 2)))
        editor.page.keyboard.press("Control+z")
    editor.click(target)
    mask = editor.wait_for_mask()
    assert overlap(mask == 1, drawing.block) > 0.8
    assert sum(url.endswith("/prompt") for url in posts) <= 13


def test_a_point_outside_the_image_is_said_before_and_by_the_run(
    editor: Editor, drawing: Drawing
) -> None:
    outside = saved_prompts({"points": [point(5000, 10)]})
    editor.open(workflow(drawing.name, outside, live=False))
    assert "outside the image" in editor.status
    editor.page.locator('[data-command="live"]').click()
    editor.page.locator(".rf-alarm", has_text="(5000, 10)").wait_for(timeout=60_000)
    assert editor.status.startswith("prompts: object 1: the point (5000, 10) lies outside")
    editor.page.keyboard.press("Escape")


def test_before_a_run_an_image_from_elsewhere_is_asked_for_and_shown_on_demand(
    editor: Editor, drawing: Drawing
) -> None:
    saved = workflow(drawing.name)
    saved["nodes"].append(
        {
            "id": 4,
            "type": "ImageInvert",
            "pos": [40, 640],
            "inputs": [{"name": "image", "type": "IMAGE", "link": 3}],
            "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [4]}],
        }
    )
    saved["links"] = [
        [3, 1, 0, 4, 0, "IMAGE"],
        [4, 4, 0, 3, 0, "IMAGE"],
        [2, 2, 0, 3, 1, "REGION_FIELDS_SAM2"],
    ]
    saved["nodes"][0]["outputs"][0]["links"] = [3]
    saved["nodes"][2]["inputs"][0]["link"] = 4
    editor.front.open(saved)
    hint = editor.page.locator(".rf-hint")
    hint.wait_for(state="visible")
    hint.locator("button").click()
    hint.wait_for(state="hidden", timeout=60_000)
    assert editor.objects == []


def test_fingers_tap_hold_and_pinch(editor: Editor, drawing: Drawing) -> None:
    editor.open(workflow(drawing.name, live=False))
    session = editor.page.context.new_cdp_session(editor.page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", editor.place(0.3, 0.4))
    touch("touchEnd")
    touch("touchStart", editor.place(0.6, 0.4))
    editor.page.wait_for_timeout(700)
    touch("touchEnd")
    (only,) = editor.objects
    assert [held["label"] for held in only["points"]] == [1, 0]
    touch("touchStart", editor.place(0.4, 0.5), editor.place(0.6, 0.5))
    touch("touchMove", editor.place(0.2, 0.5), editor.place(0.8, 0.5))
    touch("touchEnd")
    assert len(editor.objects[0]["points"]) == 2
    editor.page.mouse.move(*editor.place(0.5, 0.5))
    editor.page.wait_for_timeout(300)
    percent = int(editor.status.split(", ")[-1].split()[0])
    fitted = 100 * min(editor.box()["width"] / 640, editor.box()["height"] / 480)
    assert percent > 2 * fitted


def test_nothing_is_asked_of_the_network_but_of_comfyui(
    editor: Editor, host: Host, drawing: Drawing
) -> None:
    asked: list[str] = []
    editor.page.on("request", lambda request: asked.append(request.url))
    editor.open(workflow(drawing.name))
    editor.click(editor.place(0.5, 0.5))
    editor.wait_for_mask()
    assert asked
    assert [u for u in asked if not u.startswith((host.url, "data:", "blob:"))] == []
