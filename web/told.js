/** What a node of the pack tells in words when it has run, shown on it. */

import { app } from "/scripts/app.js";

import { keepToNode } from "./prompts/host.js";
import { chain } from "./prompts/input.js";

/** @typedef {import("/scripts/app.js").GraphNode} GraphNode */

const NAME = "told";
const FONT_PX = 10;
const LETTER_PX = 0.61 * FONT_PX;
const LINE_PX = 14;
const MARGIN_PX = 36;
const BESIDE_PX = 24;
const MOST_LINES = 16;
const STYLE = {
  boxSizing: "border-box",
  height: "100%",
  margin: "0",
  padding: "6px",
  overflow: "auto",
  whiteSpace: "pre-wrap",
  userSelect: "text",
  font: `${FONT_PX}px/${LINE_PX}px monospace`,
  color: "var(--input-text, #ddd)",
  background: "var(--comfy-input-bg, #222)",
  borderRadius: "6px",
};

/** The text on one node; it is no input of the node, and not saved with the workflow. */
class Told {
  #node;
  #element = document.createElement("pre");

  /** @param {GraphNode} node */
  constructor(node) {
    this.#node = node;
    this.#element.className = "rf-told";
    Object.assign(this.#element.style, STYLE);
    const widget = node.addDOMWidget(NAME, "REGIONFIELDS_TOLD", this.#element, {
      getValue: () => this.#element.textContent ?? "",
      setValue: () => {},
      getMinHeight: () => this.#height(),
      serialize: false,
    });
    widget.serialize = false;
    keepToNode(widget);
  }

  /** @param {string} text */
  show(text) {
    this.#element.textContent = text;
    const [width, height] = this.#node.size;
    this.#node.setSize([width, Math.max(height, this.#node.computeSize()[1])]);
  }

  /** What the text takes at the node's width, up to some lines; of more the rest is scrolled to. */
  #height() {
    const across = Math.max(1, Math.floor((this.#node.size[0] - MARGIN_PX) / LETTER_PX));
    const lines = (this.#element.textContent ?? "").split("\n");
    const rows = lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / across)), 0);
    return Math.min(rows, MOST_LINES) * LINE_PX + BESIDE_PX;
  }
}

/** @type {WeakMap<GraphNode, Told>} */
const shown = new WeakMap();

app.registerExtension({
  name: "RegionFields.Told",
  nodeCreated(node) {
    if (!node.comfyClass?.startsWith("RegionFields_")) return;
    chain(node, "onExecuted", (/** @type {{text?: unknown}} */ output) => {
      const [text] = Array.isArray(output?.text) ? output.text : [];
      if (typeof text !== "string" || !text) return;
      const told = shown.get(node) ?? new Told(node);
      shown.set(node, told);
      told.show(text);
    });
  },
});
