"""The prompt editor in a real front end: what a user does with it, and what comes of it."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from comfy_server import Host
from PIL import Image
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


def count_runs(editor: Editor) -> list[str]:
    """A list to which every prompt that the page sends from now on is added."""
    sent: list[str] = []
    editor.page.on("request", lambda r: sent.append(r.url) if r.url.endswith("/prompt") else None)
    return sent


def modified(editor: Editor) -> bool:
    return editor.page.evaluate("window.app.extensionManager.workflow.activeWorkflow.isModified")


@pytest.mark.parametrize("live", [True, False])
def test_after_reloading_the_page_the_mask_is_there_without_a_run(
    editor: Editor, drawing: Drawing, live: bool
) -> None:
    editor.open(workflow(drawing.name, saved_prompts({"points": [point(172, 144)]}), live))
    editor.front.queue()
    editor.wait_for_mask()
    saved = editor.front.saved()
    editor.reload()
    sent = count_runs(editor)
    editor.open(saved)
    editor.page.locator('.rf-editor[data-mask="current"]').wait_for(timeout=5000)
    editor.page.wait_for_timeout(1000)
    assert sent == []
    assert not modified(editor)


@pytest.mark.parametrize(("live", "runs"), [(True, 1), (False, 0)])
def test_a_workflow_whose_masks_are_gone_runs_once_where_live(
    editor: Editor, drawing: Drawing, live: bool, runs: int
) -> None:
    sent = count_runs(editor)
    editor.open(workflow(drawing.name, saved_prompts({"points": [point(170, 140)]}), live))
    editor.page.wait_for_timeout(1500)
    assert len(sent) == runs
    if live:
        assert overlap(editor.wait_for_mask() == 1, drawing.disc) > 0.8
    assert not modified(editor)


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
    assert editor.alarm == "1 point or box lies outside the image."
    editor.page.locator('[data-command="live"]').click()
    editor.page.locator(".rf-banner", has_text="(5000, 10)").wait_for(timeout=60_000)
    assert editor.alarm.startswith("The point (5000, 10) of object 1 lies outside")
    editor.page.keyboard.press("Escape")


def test_what_lies_outside_is_removed_by_a_button_and_does_not_run_before(
    editor: Editor, drawing: Drawing
) -> None:
    editor.open(workflow(drawing.name, saved_prompts({"points": [point(5000, 10)]})))
    posts: list[str] = []
    editor.page.on("request", lambda r: posts.append(r.url) if r.method == "POST" else None)
    editor.click(editor.see("disc"))
    editor.page.wait_for_timeout(500)
    assert [url for url in posts if url.endswith("/prompt")] == []
    editor.page.locator(".rf-banner button").click()
    mask = editor.wait_for_mask()
    assert overlap(mask == 1, drawing.disc) > 0.8
    assert editor.alarm == ""


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


def test_a_missing_model_is_asked_for_by_name(editor: Editor, drawing: Drawing) -> None:
    saved = workflow(drawing.name)
    saved["nodes"][1]["outputs"][0]["links"] = None
    saved["nodes"][2]["inputs"][1]["link"] = None
    saved["links"] = saved["links"][:1]
    editor.open(saved)
    editor.click(editor.see("disc"))
    editor.page.locator(".rf-banner").wait_for(state="visible")
    assert editor.alarm == "Segment with Prompts (SAM 2): connect something to model."


def test_without_an_image_the_editor_asks_for_one(editor: Editor, drawing: Drawing) -> None:
    saved = workflow(drawing.name)
    saved["nodes"][0]["outputs"][0]["links"] = None
    saved["nodes"][2]["inputs"][0]["link"] = None
    saved["links"] = saved["links"][1:]
    editor.front.open(saved)
    editor.page.locator(".rf-hint", has_text="Connect an image").wait_for(state="visible")
    assert not editor.page.locator(".rf-hint button").is_visible()
    assert editor.page.locator('[data-command="clickExcludes"]').is_disabled()


def test_another_choice_runs_like_an_edit_and_ahead_of_the_queue(
    editor: Editor, drawing: Drawing
) -> None:
    editor.open(workflow(drawing.name, saved_prompts({"points": [point(172, 144)]})))
    editor.front.queue()
    editor.wait_for_mask()
    posts: list[dict[str, Any]] = []
    editor.page.on(
        "request",
        lambda r: posts.append(r.post_data_json) if r.url.endswith("/prompt") else None,
    )
    with editor.page.expect_response(lambda r: r.url.endswith("/prompt") and r.ok):
        editor.choose("choice", "part")
    editor.wait_for_mask()
    assert editor.node("window.app.nodeOutputs[node.id].region_fields_prompts[0].settings") == {
        "objects": "as given",
        "choice": "part",
        "refine": 0,
        "feather": 0,
    }
    assert [(sent["front"], sent["partial_execution_targets"]) for sent in posts] == [(True, ["3"])]


def test_a_mask_of_another_choice_is_no_longer_current(editor: Editor, drawing: Drawing) -> None:
    shown = saved_prompts({"points": [point(172, 144)]})
    editor.open(workflow(drawing.name, shown, live=False))
    editor.front.queue()
    editor.wait_for_mask()
    editor.choose("choice", "part")
    editor.page.locator('.rf-editor[data-mask="earlier"]').wait_for()


def test_a_mask_counts_as_current_only_once_it_is_on_the_screen(
    editor: Editor, drawing: Drawing
) -> None:
    editor.open(workflow(drawing.name, saved_prompts({"points": [point(172, 144)]})))
    editor.front.queue()
    editor.wait_for_mask()
    held: list[Any] = []
    editor.page.route("**/view?*png*type=temp*", lambda route: held.append(route))
    editor.click(editor.see("block"))
    with editor.page.expect_request(lambda r: "type=temp" in r.url and ".png" in r.url):
        pass
    editor.page.mouse.move(*editor.place(0.5, 0.1), steps=5)
    editor.page.wait_for_timeout(300)
    assert editor.page.locator(".rf-editor").get_attribute("data-mask") == "earlier"
    for route in held:
        route.continue_()
    editor.wait_for_mask()
    editor.page.unroute("**/view?*png*type=temp*")


def test_a_run_is_shown_while_it_is_under_way(editor: Editor, drawing: Drawing) -> None:
    editor.open(workflow(drawing.name, saved_prompts({"points": [point(172, 144)]}), live=False))
    editor.page.evaluate(
        "() => { const editor = document.querySelector('.rf-editor'); window.rfBusy = [];"
        " new MutationObserver(() => window.rfBusy.push(editor.ariaBusy))"
        ".observe(editor, { attributes: true, attributeFilter: ['aria-busy'] }) }"
    )
    editor.page.locator('[data-command="run"]').click()
    editor.wait_for_mask()
    editor.page.locator('.rf-editor[aria-busy="false"]').wait_for()
    seen = editor.page.evaluate("window.rfBusy")
    assert "true" in seen
    assert seen[-1] == "false"


def test_the_cursor_tells_what_a_press_would_do(editor: Editor, drawing: Drawing) -> None:
    box = {"x": 400, "y": 100, "width": 200, "height": 100}
    held = saved_prompts({"points": [point(320, 240)], "box": box})
    editor.open(workflow(drawing.name, held, live=False))
    scale = min(editor.box()["width"] / 640, editor.box()["height"] / 480)
    middle = editor.place(0.5, 0.5)

    def over(x: float, y: float) -> str:
        """The cursor over this pixel of the image; the picture's margin is some pixels."""
        editor.page.mouse.move(
            middle[0] + (x - 320) * (scale - 0.02), middle[1] + (y - 240) * (scale - 0.02), steps=3
        )
        return editor.cursor

    assert over(320, 240) == "pointer"
    assert over(100, 400) == "crosshair"
    assert over(600, 200) == "nwse-resize"
    assert over(500, 100) == "ns-resize"
    assert over(450, 100) == "move"
    editor.page.mouse.click(*editor.place(0.2, 0.2))
    editor.page.keyboard.down(" ")
    assert over(100, 400) == "grab"
    editor.page.keyboard.up(" ")
    assert editor.cursor == "crosshair"


@pytest.mark.parametrize("width", [250, 300, 420])
def test_every_tool_can_be_reached_on_a_narrow_node(
    editor: Editor, drawing: Drawing, width: int
) -> None:
    many = saved_prompts(*({"points": [point(40 * i, 100)]} for i in range(1, 13)))
    saved = workflow(drawing.name, many, live=False)
    saved["nodes"][2]["size"] = [width, 620]
    editor.open(saved)
    room = editor.page.locator(".rf-editor").bounding_box()
    for tool in editor.page.locator(".rf-bar .rf-button:not(.rf-chip), .rf-name").all():
        place = tool.bounding_box()
        assert room["x"] <= place["x"]
        assert place["x"] + place["width"] <= room["x"] + room["width"] + 0.5
        assert min(place["width"], place["height"]) >= 21.5
    chosen = editor.page.locator('.rf-chip[aria-pressed="true"]')
    assert chosen.inner_text() == "12"
    assert _lies_in(editor.page.locator(".rf-chips"), chosen)


def test_the_tools_are_one_row_from_420_pixels_on_and_show_the_active_object(
    editor: Editor, drawing: Drawing
) -> None:
    many = saved_prompts(*({"points": [point(20 * i, 100)]} for i in range(1, 31)))
    saved = workflow(drawing.name, many, live=False)
    saved["nodes"][2]["size"] = [800, 620]
    editor.open(saved)
    editor.page.locator(".rf-chip").nth(12).click()
    editor.node("[node.setSize([420, 620]), window.app.canvas.setDirty(true, true)]")
    editor.page.wait_for_function("() => document.querySelector('.rf-editor').offsetWidth < 420")
    editor.page.wait_for_timeout(300)
    tools = editor.page.locator(".rf-bar").first.locator(".rf-button:not(.rf-chip)").all()
    tops = [tool.bounding_box()["y"] for tool in tools]
    assert max(tops) - min(tops) < 4
    chosen = editor.page.locator('.rf-chip[aria-pressed="true"]')
    assert chosen.inner_text() == "13"
    assert _lies_in(editor.page.locator(".rf-chips"), chosen)


def test_the_side_panel_leaves_the_editor_as_wide_as_it_was(
    editor: Editor, drawing: Drawing
) -> None:
    editor.open(workflow(drawing.name, live=False))
    wide = editor.page.locator(".rf-editor").bounding_box()["width"]
    editor.node("window.app.canvas.selectNode(node)")
    editor.page.locator("[data-testid=info-button]").click()
    editor.page.get_by_role("tab", name="Parameters").click()
    editor.page.wait_for_timeout(1000)
    editor.page.get_by_role("tab", name="Info").click()
    editor.node("window.app.canvas.setDirty(true, true)")
    editor.page.wait_for_timeout(500)
    assert editor.page.locator(".rf-editor").first.bounding_box()["width"] == wide
    editor.page.locator("[data-testid=info-button]").click()


def test_the_side_panel_has_no_blank_row_for_the_editor(editor: Editor, drawing: Drawing) -> None:
    editor.open(workflow(drawing.name, live=False))
    editor.node("window.app.canvas.selectNode(node)")
    editor.page.locator("[data-testid=info-button]").click()
    editor.page.get_by_role("tab", name="Parameters").click()
    rows = editor.page.locator(".widget-item:visible")
    rows.get_by_text("feather", exact=True).wait_for()
    editor.page.wait_for_timeout(1000)
    assert rows.get_by_text("points", exact=True).count() == 0
    assert editor.page.locator(".rf-editor").first.is_visible()
    editor.page.locator("[data-testid=info-button]").click()


def _lies_in(strip: Any, chosen: Any) -> bool:
    """Whether a chip is whole within the visible part of the strip."""
    room, place = strip.bounding_box(), chosen.bounding_box()
    right = room["x"] + room["width"]
    return room["x"] - 0.5 <= place["x"] and place["x"] + place["width"] <= right + 0.5


def test_inside_a_subgraph_the_picture_shows_and_a_click_runs(
    editor: Editor, drawing: Drawing
) -> None:
    editor.open_in_subgraph(workflow(drawing.name))
    editor.enter("graph.nodes.find(n => n.subgraph)")
    editor.page.locator(".rf-hint").wait_for(state="hidden")
    editor.page.wait_for_timeout(500)
    editor.click(editor.see("disc"))
    editor.page.locator('.rf-editor[data-mask="current"]').wait_for(timeout=60_000)
    assert editor.alarm == ""


def test_of_several_instances_of_a_subgraph_the_one_that_was_opened_runs(
    editor: Editor, drawing: Drawing
) -> None:
    editor.open_in_subgraph(workflow(drawing.name))
    saved = editor.front.saved()
    kind = saved["definitions"]["subgraphs"][0]["id"]
    (first,) = (node for node in saved["nodes"] if node["type"] == kind)
    second = json.loads(json.dumps(first))
    second["id"], second["pos"] = 50, [first["pos"][0] + 300, first["pos"][1]]
    links = [[90 + i, *link[1:3], 50, *link[4:]] for i, link in enumerate(saved["links"])]
    for i, link in enumerate(links):
        second["inputs"][link[4]]["link"] = 90 + i
    saved["nodes"].append(second)
    saved["links"] += links
    editor.front.open(saved)
    editor.enter("graph.getNodeById(50)")
    editor.page.wait_for_timeout(1000)
    with editor.page.expect_request(lambda r: r.url.endswith("/prompt")) as sent:
        editor.click(editor.see("disc"))
    (target,) = sent.value.post_data_json["partial_execution_targets"]
    assert target.startswith("50:")
    editor.page.locator('.rf-editor[data-mask="current"]').wait_for(timeout=60_000)


def test_a_run_of_another_tabs_workflow_changes_nothing_here(
    editor: Editor, drawing: Drawing
) -> None:
    editor.front.open({"nodes": [], "links": [], "version": 0.4})
    editor.open(workflow(drawing.name, saved_prompts({"points": [point(172, 144)]}), live=False))
    editor.front.queue()
    editor.wait_for_mask()
    other = saved_prompts({"points": [point(435, 316)]})
    job = editor.page.evaluate(
        "async (points) => { const { api } = await import('/scripts/api.js');"
        " const prompt = await window.app.graphToPrompt();"
        " prompt.output['3'].inputs.points = points; prompt.workflow.id = 'another';"
        " return (await api.queuePrompt(0, prompt)).prompt_id }",
        other,
    )
    editor.front.host.wait_for(job)
    editor.page.wait_for_timeout(500)
    (shown,) = editor.node("window.app.nodeOutputs[node.id].region_fields_prompts")
    assert shown["prompts"] == other
    assert editor.page.locator(".rf-editor").get_attribute("data-mask") == "current"


def test_the_editor_fills_the_window_and_goes_back(editor: Editor, drawing: Drawing) -> None:
    editor.open(workflow(drawing.name))
    before = editor.box()
    editor.page.locator('[data-command="expand"]').click()
    editor.page.wait_for_timeout(300)
    assert editor.box()["width"] > 1500
    editor.click(editor.see("block"))
    assert overlap(editor.wait_for_mask() == 1, drawing.block) > 0.8
    for _ in ("the point is let go", "then the window"):
        editor.page.keyboard.press("Escape")
    editor.page.wait_for_timeout(300)
    assert editor.box() == pytest.approx(before, abs=1)


def test_a_feather_is_seen_and_runs_like_an_edit(editor: Editor, drawing: Drawing) -> None:
    editor.open(workflow(drawing.name, saved_prompts({"points": [point(172, 144)]})))
    editor.wait_for_mask()
    set_feather(editor, 40)
    sent = editor.node("window.app.nodeOutputs[node.id].region_fields_prompts[0].labels")
    number, _, strength = editor.front.host.view(sent)[..., :3].unbind(-1)
    y, x = ((number == 0) & (strength > 0.3) & (strength < 0.4)).nonzero()[0].tolist()
    assert blueness(editor, x, y) > blueness(editor, 600, 20) + 10
    set_feather(editor, 0)
    assert abs(blueness(editor, x, y) - blueness(editor, 600, 20)) < 6


def set_feather(editor: Editor, pixels: float) -> None:
    editor.page.evaluate(
        "pixels => { const widget = window.app.graph.getNodeById(3).widgets"
        ".find(w => w.name === 'feather'); widget.value = pixels; widget.callback(pixels) }",
        pixels,
    )
    editor.page.wait_for_function(
        "pixels => pixels === window.app.nodeOutputs[3].region_fields_prompts[0].settings.feather",
        arg=pixels,
    )
    editor.wait_for_mask()
    editor.page.wait_for_timeout(300)


def blueness(editor: Editor, x: int, y: int) -> float:
    """How much more blue than red is seen about this pixel of a picture of 640 x 480."""
    left, top, width, height = editor.box().values()
    scale = min((width - 12) / 640, (height - 12) / 480)
    at = left + width / 2 + (x - 320) * scale, top + height / 2 + (y - 240) * scale
    clip = {"x": at[0] - 1, "y": at[1] - 1, "width": 2, "height": 2}
    with Image.open(io.BytesIO(editor.page.screenshot(clip=clip))) as shot:
        red, _, blue = np.asarray(shot.convert("RGB"), float).mean(axis=(0, 1))
    return float(blue - red)


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


def test_a_list_of_gestures_and_keys_shows_on_demand(editor: Editor, drawing: Drawing) -> None:
    editor.open(workflow(drawing.name, live=False))
    panel = editor.page.locator(".rf-help")
    editor.page.locator('[data-command="help"]').click()
    assert "Exclude a point" in panel.inner_text()
    for key, shown in (("Escape", False), ("?", True), ("?", False), ("?", True)):
        editor.page.keyboard.press(key)
        assert panel.is_visible() == shown, key
    panel.click()
    assert not panel.is_visible()
    assert editor.text == ""


@pytest.mark.parametrize(("mode", "told"), [(2, "muted"), (4, "bypassed")])
def test_a_node_that_is_switched_off_says_so_and_does_not_run(
    editor: Editor, drawing: Drawing, mode: int, told: str
) -> None:
    editor.open(workflow(drawing.name))
    disc = editor.see("disc")  # Nodes 2.0 dims a node that is off.
    editor.node(f"node.mode = {mode}")
    editor.click(disc)
    editor.page.locator(".rf-banner").wait_for()
    assert editor.alarm.startswith(f"This node is {told} and doesn't run; switch it on again")
    editor.node("node.mode = 0")
    editor.page.keyboard.press("r")
    assert overlap(editor.wait_for_mask() == 1, drawing.disc) > 0.8
    assert editor.alarm == ""
