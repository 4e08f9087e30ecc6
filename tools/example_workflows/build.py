"""Write the example workflows and their thumbnails with ComfyUI's own front end.

`python tools/example_workflows/build.py [NAME ..]` starts ComfyUI (COMFYUI_DIR, as the host tests
do), lets the front end build each workflow of specs.py and save it, runs it, and makes the
thumbnail of what came out. Also writes a screenshot of each graph into `--shots DIR`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests" / "host"), str(HERE)]

import comfy_browser  # noqa: E402
import comfy_server  # noqa: E402
from field_specs import FIELD_WORKFLOWS  # noqa: E402
from PIL import Image  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402
from specs import BALL, BOX, CLICKS, WORKFLOWS, Workflow, note_of  # noqa: E402
from without_model import leading_to  # noqa: E402

THUMBNAIL = (640, 427)
OUT = ROOT / "example_workflows"

BUILD = """
async ({nodes, groups}) => {
  const app = window.app, made = {}
  await app.loadGraphData({last_node_id: 0, last_link_id: 0, nodes: [], links: [], groups: [],
                           version: 0.4})
  if (app.graph.nodes.length) throw new Error('the canvas is not empty')
  for (const [key, spec] of Object.entries(nodes)) {
    const node = LiteGraph.createNode(spec.type)
    if (!node) throw new Error('unknown node ' + spec.type)
    app.graph.add(node)
    node.pos = [...spec.at]
    if (spec.title) node.title = spec.title
    if (spec.models.length) node.properties.models = spec.models
    for (const [name, value] of Object.entries(spec.values)) {
      const widget = node.widgets.find(w => w.name === name)
      if (!widget) throw new Error(`${spec.type} has no widget ${name}`)
      widget.value = value
      widget.callback?.(value)
    }
    node.setSize([...spec.size])
    made[key] = node
  }
  await new Promise(done => setTimeout(done, 500))
  for (const [key, spec] of Object.entries(nodes)) {
    for (const [input, [from, output]] of Object.entries(spec.links)) {
      const slot = made[from].outputs.findIndex(o => o.name === output)
      const into = made[key].inputs.findIndex(i => i.name === input)
      if (slot < 0 || into < 0) throw new Error(`no link ${from}.${output} -> ${key}.${input}`)
      made[from].connect(slot, made[key], into)
    }
  }
  for (const [title, bounds] of Object.entries(groups)) {
    const group = new LiteGraph.LGraphGroup(title)
    group.pos = [bounds[0], bounds[1]]
    group.size = [bounds[2], bounds[3]]
    app.graph.add(group)
  }
  await new Promise(done => setTimeout(done, 500))
  for (const [key, spec] of Object.entries(nodes)) made[key].setSize([...spec.size])
  return {
    saved: JSON.stringify(app.graph.serialize()),
    ids: Object.fromEntries(Object.entries(made).map(([key, node]) => [key, String(node.id)])),
  }
}
"""


def drawn(points: list[dict[str, int]], box: dict[str, int] | None) -> str:
    """One object as the prompt editor writes it."""
    return json.dumps(
        {"version": 1, "objects": [{"points": points, "box": box, "name": ""}]},
    )


PROMPTS = {"@clicks": drawn(CLICKS, None), "@box": drawn(BALL, BOX)}


def spec_of(workflow: Workflow) -> dict[str, Any]:
    nodes = {}
    for key, node in (workflow.nodes | {"note": note_of(workflow)}).items():
        values = {name: PROMPTS.get(value, value) for name, value in node.values.items()}
        nodes[key] = {**vars(node), "values": values}
    return {"nodes": nodes, "groups": workflow.groups}


def build(front: comfy_browser.FrontEnd, workflow: Workflow, shots: Path | None) -> None:
    made = front.page.evaluate(BUILD, spec_of(workflow))
    saved = json.loads(made["saved"])
    saved.pop("id", None)
    saved["extra"] = {"info": {"description": workflow.note}}
    if len(saved["nodes"]) != len(workflow.nodes) + 1:
        raise RuntimeError(f"{workflow.name}: {len(saved['nodes'])} nodes were made")
    path = OUT / f"{workflow.name}.json"
    front.open(saved)
    result = made["ids"][workflow.result]
    if workflow.samples:
        shown = front.host.run(leading_to(front.prompt(), result)).ui
    else:
        shown = front.queue()["outputs"]
    front.page.wait_for_timeout(1500)
    if shots is not None:
        front.picture(shots / f"{workflow.name}.png")
    path.write_text(json.dumps(saved, indent=1) + "\n")
    image = shown[result]["images"][0]
    picture = Image.fromarray((front.host.view(image) * 255).byte().numpy())
    picture.resize(THUMBNAIL, Image.Resampling.LANCZOS).save(path.with_suffix(".jpg"), quality=88)
    print(f"{path.name}: {len(saved['nodes'])} nodes", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="workflows to write; all when left out")
    parser.add_argument("--shots", type=Path, help="folder for screenshots of the graphs")
    options = parser.parse_args()
    checkout = comfy_server.find_checkout()
    if isinstance(checkout, str):
        sys.exit(checkout)
    if options.shots:
        options.shots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        host = comfy_server.start(checkout, Path(folder))
        try:
            context = comfy_browser.launch(play, Path(folder) / "profile")
            front = comfy_browser.open_front_end(context, host)
            for workflow in (*WORKFLOWS, *FIELD_WORKFLOWS):
                if not options.names or workflow.name in options.names:
                    build(front, workflow, options.shots)
            context.close()
        finally:
            comfy_server.stop(host)


if __name__ == "__main__":
    main()
