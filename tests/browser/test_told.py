"""What nodes tell in words, shown on them in a real front end."""

from __future__ import annotations

import pytest
from comfy_server import Host
from prompt_editor import Editor, draw

pytestmark = [pytest.mark.host, pytest.mark.browser]

BUILD = """
async (picture) => {
  const app = window.app
  await app.loadGraphData({last_node_id: 0, last_link_id: 0, nodes: [], links: [], groups: [],
                           version: 0.4})
  const made = ['LoadImage', 'RegionFields_FieldFromShape', 'RegionFields_MeasureField']
    .map((type, i) => {
      const node = LiteGraph.createNode(type)
      app.graph.add(node)
      node.pos = [40 + 400 * i, 60]
      return node
    })
  made[0].widgets.find(w => w.name === 'image').value = picture
  await new Promise(done => setTimeout(done, 300))
  made[0].connect(0, made[1], made[1].inputs.findIndex(i => i.name === 'image'))
  made[1].connect(0, made[2], made[2].inputs.findIndex(i => i.name === 'field'))
  return String(made[2].id)
}
"""


def test_what_a_node_tells_stands_on_it_and_is_not_saved(editor: Editor, host: Host) -> None:
    front = editor.front
    node = front.page.evaluate(BUILD, draw(host, 640, 480).name)
    prompt, saved = front.prompt(), front.saved()
    (told,) = front.queue()["outputs"][node]["text"]
    assert told.startswith("coverage ")
    box = front.page.locator(".rf-told")
    box.wait_for()
    assert box.inner_text().strip() == told
    shown = box.evaluate("e => e.scrollHeight <= e.clientHeight + 1")
    assert shown, "all of it is seen without scrolling"
    assert front.prompt() == prompt

    def values(workflow: dict) -> list:
        return [each.get("widgets_values") for each in workflow["nodes"]]

    assert values(front.saved()) == values(saved)
