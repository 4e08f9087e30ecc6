/**
 * The widget of Segment with Prompts: an editor whose text is the value of the node's input, so it
 * is saved with the workflow, copied with the node, and read by the node without any of this.
 */

import { api } from "/scripts/api.js";
import { app } from "/scripts/app.js";

import { Editor } from "./prompts/editor.js";
import { executionId, isConnected, placeOf } from "./prompts/graph.js";
import {
  isCheap,
  isKept,
  isOutdated,
  keepToNode,
  lastPreview,
  loadedPicture,
  noteChange,
  runAlone,
  viewURL,
} from "./prompts/host.js";
import { after, chain } from "./prompts/input.js";
import { isElsewhere } from "./prompts/jobs.js";
import { LiveRunner } from "./prompts/live.js";
import { Memory } from "./prompts/memory.js";

/** @typedef {import("/scripts/app.js").GraphNode} GraphNode */
/** @typedef {import("./prompts/host.js").Preview} Preview */

const IMAGE_INPUT = "image";
/** What the node's errors begin with, whatever the user called the node. */
const TITLE = "Segment with Prompts (SAM 2): ";
const LIVE_PROPERTY = "region_fields_live";
/** The node's other widgets that change the masks; a change is shown like an edit. */
const SETTINGS = new Set(["objects", "choice", "refine", "feather"]);
const MIN_HEIGHT = 300;
const FIRST_SIZE = { minWidth: 420, minHeight: 620 };
/** A loaded workflow has its nodes' results, if the page still knows them, after this time. */
const RESTORE_MS = 500;
/** Keyboard edits closer together than this are one step of the page's own undo. */
const NOTE_MS = 400;

const memory = new Memory(window.localStorage);

/** One node's editor, and what keeps it up to date. */
class Connection {
  #node;
  #widget;
  #live;
  #editor;
  #end = new AbortController();
  #cancelNote = () => {};
  /** The server works on this node, or the user asked it to. */
  #busy = false;
  /** @type {WeakSet<import("/scripts/app.js").Widget>} */
  #followed = new WeakSet();
  /** The picture that was there when the last result came. @type {string | null} */
  #resultFor = null;
  /** What the node gave last, maybe before the page was opened, where the server still has it. */
  /** @type {Preview | null} */
  #earlier = null;
  /** What the page took for this node's and isn't. @type {Preview | null} */
  #foreign = null;
  /** The workflow was just loaded, and its mask may have to be made. */
  #behind = false;

  /**
   * @param {GraphNode} node
   * @param {string} name
   */
  constructor(node, name) {
    this.#node = node;
    this.#live = new LiveRunner(() => this.#run(true), after, () => this.#showStatus());
    this.#editor = new Editor({
      edited: () => this.#edited(),
      loaded: () => this.#catchUp(),
      run: () => void this.#runNow(),
      setLive: (live) => {
        node.properties[LIVE_PROPERTY] = live;
        if (live) this.#live.request();
      },
    });
    this.#widget = node.addDOMWidget(name, "REGIONFIELDS_POINTS", this.#editor.element, {
      getValue: () => this.#editor.text,
      setValue: (value) => this.#editor.load(typeof value === "string" ? value : ""),
      getMinHeight: () => MIN_HEIGHT,
      hideOnZoom: false,
    });
    keepToNode(this.#widget);
    this.#follow();
  }

  get widget() {
    return this.#widget;
  }

  /** Hear of everything that changes what the editor should show. */
  #follow() {
    const node = this.#node;
    chain(node, "onExecuted", () => void this.#executed());
    chain(node, "onConnectionsChange", () => this.#soon());
    chain(node, "onConfigure", () => {
      this.#soon();
      after(RESTORE_MS, () => void this.#restore());
    });
    chain(node, "onAdded", () => this.#soon());
    chain(node, "onRemoved", () => this.#dispose());
    const { signal } = this.#end;
    api.addEventListener("graphChanged", () => this.refresh(), { signal });
    api.addEventListener("execution_error", (event) => void this.#failed(event), { signal });
    api.addEventListener("execution_interrupted", () => this.#ended(), { signal });
    api.addEventListener("executing", (event) => void this.#executing(event), { signal });
    this.#editor.element.addEventListener("pointerenter", () => this.refresh());
  }

  /** Hear of changes of the other widgets, which come after this one. */
  #followSettings() {
    for (const widget of this.#node.widgets ?? []) {
      if (!SETTINGS.has(widget.name) || this.#followed.has(widget)) continue;
      this.#followed.add(widget);
      chain(widget, "callback", () => {
        this.refresh();
        this.#requestLive();
      });
    }
  }

  /** Once the page has finished what it is doing: links and outputs come after the node. */
  #soon() {
    for (const ms of [0, 300]) after(ms, () => this.refresh());
  }

  /** Show the image and the mask that belong to the graph as it is now. */
  refresh() {
    const node = this.#node;
    if (!node.graph) return;
    this.#followSettings();
    this.#editor.connected = isConnected(node, IMAGE_INPUT);
    const live = node.properties[LIVE_PROPERTY] !== false;
    if (live !== this.#editor.live) {
      this.#editor.live = live;
    }
    this.#editor.redraw();
    const { preview, shown } = this.#pictures();
    this.#editor.setPicture(shown);
    if (!preview) return;
    this.#editor.setResult({
      url: viewURL(preview.labels),
      soft: preview.soft === true,
      key: this.#resultFor ?? shown?.key ?? "",
      text: preview.prompts,
      outdated: isOutdated(node, preview.settings),
    });
  }

  async #executed() {
    if (await isElsewhere()) {
      this.#foreign = lastPreview(this.#node);
      return this.refresh();
    }
    this.#ended();
    this.#editor.setError("");
    const { preview, shown } = this.#pictures();
    this.#resultFor = shown?.key ?? null;
    const place = placeOf(this.#node);
    if (preview && place) memory.remember(place, { preview, picture: this.#resultFor ?? "" });
    this.#earlier = preview;
    return this.refresh();
  }

  /** After the workflow was loaded: find the mask that its prompts had when the node last ran. */
  async #restore() {
    const place = placeOf(this.#node);
    const held = place ? memory.recall(place) : null;
    const last = lastPreview(this.#node);
    const usable = last ? isSame(last, held?.preview) : held && (await isKept(held.preview));
    if (held && usable && this.#resultFor === null) {
      this.#earlier = held.preview;
      this.#resultFor = held.picture || null;
    }
    this.refresh();
    this.#behind = true;
    if (this.#editor.ready) this.#catchUp();
  }

  /** Where a loaded workflow's mask is missing and costs little, make it, once. */
  #catchUp() {
    if (!this.#behind) return;
    this.#behind = false;
    const { preview, shown } = this.#pictures();
    const current =
      preview?.prompts === this.#editor.text &&
      (this.#resultFor ?? shown?.key) === shown?.key &&
      !isOutdated(this.#node, preview.settings);
    if (!current && this.#editor.text && isCheap(this.#node)) this.#requestLive();
  }

  /** The node's last result, and the picture to show: the loaded file, else the result's own. */
  #pictures() {
    const last = lastPreview(this.#node);
    const preview = last && last !== this.#foreign ? last : this.#earlier;
    const url = preview ? viewURL(preview.image) : "";
    const size = preview && { width: preview.width, height: preview.height };
    const own = size && { key: url, url, size };
    return { preview, shown: loadedPicture(this.#node, IMAGE_INPUT) ?? own };
  }

  #edited() {
    this.#widget.callback?.(this.#widget.value);
    this.#node.graph?.change?.();
    this.#cancelNote();
    this.#cancelNote = after(NOTE_MS, noteChange);
    this.#requestLive();
  }

  /** After an edit; but a run that can only fail would only put an error over the page. */
  #requestLive() {
    if (this.#editor.live && !this.#editor.astray) this.#live.request();
  }

  async #runNow() {
    this.#busy = true;
    this.#showStatus();
    if (!(await this.#run(false))) this.#ended();
  }

  /**
   * @param {boolean} quiet
   * @returns {Promise<boolean>} whether it was accepted
   */
  async #run(quiet) {
    const refused = await runAlone(this.#node, quiet);
    if (refused) this.#editor.setError(refused);
    return !refused;
  }

  /** @param {Event} event  its detail is the id of the node that runs, null after the last */
  async #executing(event) {
    const detail = /** @type {CustomEvent} */ (event).detail;
    if (detail === null) this.#busy = false;
    else if (String(detail) === executionId(this.#node)) this.#busy = true;
    this.#showStatus();
    if (!this.#busy || !(await isElsewhere())) return;
    this.#busy = false;
    this.#showStatus();
  }

  /** The node's run came to an end, well or not. */
  #ended() {
    this.#busy = false;
    this.#live.finished();
    this.#showStatus();
  }

  /** @param {Event} event */
  async #failed(event) {
    const detail = /** @type {CustomEvent} */ (event).detail;
    if (await isElsewhere()) return;
    const mine = String(detail?.node_id) === executionId(this.#node);
    const wasRunning = this.#live.running || this.#busy;
    this.#ended();
    if (!mine && !wasRunning) return;
    const told = String(detail?.exception_message ?? "").trim();
    this.#editor.setError(sentence(told.replace(TITLE, "")));
  }

  #showStatus() {
    this.#editor.setRunning(this.#live.running || this.#busy);
  }

  #dispose() {
    this.#cancelNote();
    this.#live.dispose();
    this.#editor.dispose();
    this.#end.abort();
  }
}

/** @param {string} text */
function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * @param {Preview} a
 * @param {Preview | undefined} b
 */
function isSame(a, b) {
  return a.labels.filename === b?.labels.filename && a.prompts === b.prompts;
}

app.registerExtension({
  name: "RegionFields.SegmentPrompts",
  getCustomWidgets() {
    return {
      REGIONFIELDS_POINTS(node, name) {
        return { widget: new Connection(node, name).widget, ...FIRST_SIZE };
      },
    };
  },
});
