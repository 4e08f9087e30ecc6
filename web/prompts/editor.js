/**
 * The editor on the page: one element with a canvas between two bars. It knows nothing of ComfyUI;
 * `../segment_prompts.js` connects it to a node.
 *
 * @typedef {import("./view.js").Position} Position
 * @typedef {import("./view.js").View} View
 * @typedef {import("./keys.js").Command} Command
 *
 * @typedef {object} Picture
 * @property {string} key  two pictures with the same key are the same
 * @property {string} url
 * @property {import("./state.js").Size | null} size  of the image where it is not the file's own
 *
 * @typedef {object} Result
 * @property {string} url  of the label image
 * @property {string} key  of the picture it belongs to
 * @property {string} text  the prompts it was made from
 *
 * @typedef {object} Host
 * @property {(text: string) => void} edited  the user changed the prompts
 * @property {() => void} run  the user wants the node to run
 * @property {(live: boolean) => void} setLive
 */

import { Bars, button, element } from "./bars.js";
import { hit } from "./hit.js";
import { Input } from "./input.js";
import { Model } from "./model.js";
import { loadImage, tinted } from "./overlay.js";
import { paint } from "./paint.js";
import { countOutside, pixelAt } from "./state.js";
import { installStyle } from "./style.js";
import { fit, pan, resized, toImage, zoomAt } from "./view.js";

const REACH = { mouse: 8, touch: 18 };
const HELP =
  "Click: include. Right click or Alt: exclude. Drag: box. Shift: new object. Wheel: zoom.";

export class Editor {
  element = element("div", "rf-editor");
  live = true;
  #host;
  #model = new Model(() => this.#edited());
  #stage = element("div", "rf-stage");
  #canvas = document.createElement("canvas");
  #hint = element("div", "rf-hint");
  #bars;
  #input;
  #end = new AbortController();
  /** @type {Picture | null} */
  #picture = null;
  /** @type {HTMLImageElement | null} */
  #image = null;
  /** @type {Result | null} */
  #result = null;
  /** @type {HTMLCanvasElement | null} */
  #overlay = null;
  /** @type {View} */
  #view = { scale: 1, x: 0, y: 0 };
  #area = { width: 0, height: 0 };
  #masked = true;
  #running = false;
  #error = "";
  /** @type {Position | null} */
  #pointer = null;
  #frame = 0;

  /** @param {Host} host */
  constructor(host) {
    this.#host = host;
    installStyle();
    this.#bars = new Bars(
      (command) => this.#command(command),
      (index) => this.#do(() => this.#model.activate(index)),
      (name) => this.#do(() => this.#model.rename(name)),
    );
    this.#input = new Input(this.element, this.#canvas, this.#receiver(), this.#end.signal);
    this.#input.keys.setAttribute("aria-label", `Prompts on the image. ${HELP}`);
    const show = button("Run this node to see its image", "Show the image");
    show.addEventListener("click", () => this.#host.run());
    this.#hint.append("Connect an image, then run this node once.", show);
    this.#stage.append(this.#canvas, this.#input.keys, this.#hint);
    this.element.append(this.#bars.top, this.#stage, this.#bars.bottom);
    new ResizeObserver(() => this.#measure()).observe(this.#stage);
    this.redraw();
  }

  get text() {
    return this.#model.text;
  }

  /** Let go of the page; for when the node is removed. */
  dispose() {
    this.#end.abort();
    cancelAnimationFrame(this.#frame);
  }

  /**
   * Show prompts that come from outside. A text that can't be read shows as an error and is kept
   * nowhere: the node reports it too.
   *
   * @param {string} text
   */
  load(text) {
    try {
      this.#model.load(text);
    } catch (error) {
      this.#error = `The saved prompts can't be read: ${error}`;
    }
    this.redraw();
  }

  /** @param {Picture | null} picture */
  async setPicture(picture) {
    if (picture?.key === this.#picture?.key) return;
    this.#picture = picture;
    const image = picture ? await loadImage(picture.url).catch(() => null) : null;
    if (picture !== this.#picture) return;
    this.#image = image;
    if (picture && image) {
      const natural = { width: image.naturalWidth, height: image.naturalHeight };
      this.#setSize(picture.size ?? natural);
    }
    this.redraw();
  }

  /** @param {Result | null} result */
  async setResult(result) {
    if (JSON.stringify(result) === JSON.stringify(this.#result)) return;
    const same = result?.url === this.#result?.url;
    this.#result = result;
    if (same) return this.redraw();
    const image = result ? await loadImage(result.url).catch(() => null) : null;
    if (result !== this.#result) return;
    this.#overlay = image ? tinted(image) : null;
    if (result) this.#error = "";
    this.redraw();
  }

  /** @param {boolean} running */
  setRunning(running) {
    this.#running = running;
    this.redraw();
  }

  /** @param {string} error  "" for none; the next edit clears it too */
  setError(error) {
    this.#error = error;
    this.redraw();
  }

  /** Draw again with the next frame. */
  redraw() {
    if (!this.#frame) this.#frame = requestAnimationFrame(() => this.#draw());
  }

  /** @param {import("./state.js").Size} size */
  #setSize(size) {
    const { width, height } = this.#model.size;
    this.#model.size = size;
    if (width !== size.width || height !== size.height) this.#view = fit(size, this.#area);
  }

  #edited() {
    this.#error = "";
    this.#host.edited(this.#model.text);
  }

  /** @param {() => void} action */
  #do(action) {
    action();
    this.redraw();
  }

  /** @returns {import("./input.js").Receiver} */
  #receiver() {
    return {
      meaning: this.#meaning(),
      ready: () => this.#image !== null,
      done: () => this.redraw(),
      pointer: (at) => (this.#pointer = at),
      order: (order) => {
        if ("command" in order) this.#command(order.command);
        else if ("object" in order) this.#model.activate(order.object);
        else this.#model.nudge(...order.nudge);
      },
      wheel: (factor, at) => {
        // Zooming out of the whole image is the graph's, so that it can always be zoomed out.
        const whole = fit(this.#model.size, this.#area).scale;
        if (factor < 1 && this.#view.scale <= whole * 1.0001) return false;
        this.#zoom(factor, at);
        return true;
      },
    };
  }

  /** @returns {import("./gestures.js").Meaning} */
  #meaning() {
    const model = this.#model;
    const place = (/** @type {Position} */ at) => toImage(this.#view, at);
    const found = (/** @type {Position} */ at, /** @type {boolean} */ touch) =>
      hit(model.state, this.#view, at, model.active, touch ? REACH.touch : REACH.mouse);
    return {
      click: (at, intent) => {
        const on = found(at, intent.touch);
        if (on || this.#inside(at)) model.click(place(at), on, intent);
      },
      dragBegin: (at, intent) => model.dragBegin(place(at), found(at, intent.touch), intent),
      dragMove: (at) => model.dragMove(place(at)),
      dragEnd: (at) => model.dragEnd(place(at)),
      dragCancel: () => model.dragCancel(),
      pan: (dx, dy) => {
        this.#view = pan(this.#view, dx, dy, model.size, this.#area);
      },
      zoom: (factor, at) => this.#zoom(factor, at),
    };
  }

  /**
   * @param {number} factor
   * @param {Position} at
   */
  #zoom(factor, at) {
    this.#view = zoomAt(this.#view, factor, at, this.#model.size, this.#area);
  }

  /** @param {Position} at */
  #inside(at) {
    const { x, y } = toImage(this.#view, at);
    return x >= 0 && y >= 0 && x < this.#model.size.width && y < this.#model.size.height;
  }

  /** @param {Command} command */
  #command(command) {
    const model = this.#model;
    const middle = { x: this.#area.width / 2, y: this.#area.height / 2 };
    /** @type {Record<Command, () => void>} */
    const actions = {
      undo: () => model.undo(),
      redo: () => model.redo(),
      delete: () => model.remove(),
      clear: () => model.clear(),
      newObject: () => model.activate(model.state.objects.length),
      nextItem: () => model.selectNext(1),
      previousItem: () => model.selectNext(-1),
      include: () => model.addAtCursor(false),
      exclude: () => model.addAtCursor(true),
      mode: () => (model.exclude = !model.exclude),
      deselect: () => {
        this.#input.cancel();
        model.select(null);
      },
      fit: () => (this.#view = fit(model.size, this.#area)),
      zoomIn: () => this.#zoom(1.25, middle),
      zoomOut: () => this.#zoom(0.8, middle),
      mask: () => (this.#masked = !this.#masked),
      live: () => {
        this.live = !this.live;
        this.#host.setLive(this.live);
      },
      run: () => this.#host.run(),
    };
    this.#do(actions[command]);
  }

  #measure() {
    const area = { width: this.#stage.clientWidth, height: this.#stage.clientHeight };
    if (!area.width || !area.height) return;
    const known = this.#area.width > 0;
    const { size } = this.#model;
    this.#view = known ? resized(this.#view, size, this.#area, area) : fit(size, area);
    this.#area = area;
    this.redraw();
  }

  #draw() {
    this.#frame = 0;
    const model = this.#model;
    this.#hint.hidden = this.#image !== null;
    this.#bars.show({
      count: model.state.objects.length,
      active: model.active,
      name: model.state.objects[model.active]?.name ?? "",
      exclude: model.exclude,
      live: this.live,
      running: this.#running,
      masked: this.#masked,
      canUndo: model.canUndo,
      canRedo: model.canRedo,
      ...this.#status(),
    });
    const ctx = this.#context();
    if (!ctx || !this.#image) return;
    const overlay = this.#result?.key === this.#picture?.key ? this.#overlay : null;
    const dim = this.#result?.text !== model.text;
    this.element.dataset["mask"] = overlay ? (dim ? "earlier" : "current") : "none";
    paint(ctx, {
      state: model.state,
      view: this.#view,
      size: model.size,
      picture: this.#image,
      overlay: this.#masked ? overlay : null,
      dim,
      active: model.active,
      selected: model.selected,
      rubber: model.rubber,
      cursor: model.cursor,
    });
  }

  /** @returns {{status: string, alarm: boolean}} */
  #status() {
    if (this.#error) return { status: this.#error, alarm: true };
    const outside = this.#image ? countOutside(this.#model.state, this.#model.size) : 0;
    if (outside) return { status: `${outside} outside the image: move or delete`, alarm: true };
    if (!this.#image) return { status: "", alarm: false };
    if (!this.#pointer || !this.#inside(this.#pointer)) return { status: HELP, alarm: false };
    const { width, height } = this.#model.size;
    const { x, y } = pixelAt(toImage(this.#view, this.#pointer), this.#model.size);
    const percent = Math.round(this.#view.scale * 100);
    return { status: `${x}, ${y} of ${width} x ${height}, ${percent} %`, alarm: false };
  }

  /** The canvas, cleared, as sharp as the screen and the graph's zoom need. */
  #context() {
    const { width, height } = this.#area;
    const zoom = this.#canvas.getBoundingClientRect().width / Math.max(1, width);
    const ratio = Math.min(3, (window.devicePixelRatio || 1) * Math.max(1, zoom));
    const wanted = [Math.round(width * ratio), Math.round(height * ratio)];
    const [w, h] = /** @type {[number, number]} */ (wanted);
    if (this.#canvas.width !== w || this.#canvas.height !== h) {
      this.#canvas.width = w;
      this.#canvas.height = h;
    }
    const ctx = this.#canvas.getContext("2d");
    ctx?.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx?.clearRect(0, 0, width, height);
    return ctx;
  }
}
