/**
 * The editor on the page: one element with a canvas between two bars. It knows nothing of ComfyUI;
 * `../segment_prompts.js` connects it to a node.
 *
 * @typedef {import("./view.js").Position} Position
 * @typedef {import("./view.js").View} View
 * @typedef {import("./keys.js").Command} Command
 * @typedef {import("./pictures.js").Picture} Picture
 * @typedef {import("./pictures.js").Result} Result
 *
 * @typedef {object} Host
 * @property {(text: string) => void} edited  the user changed the prompts
 * @property {() => void} loaded  another picture shows
 * @property {() => void} run  the user wants the node to run
 * @property {(live: boolean) => void} setLive
 */

import { Backdrop, cleared } from "./backdrop.js";
import { Bars, element } from "./bars.js";
import { fillWindow, fillsWindow } from "./expand.js";
import { HINT, Help } from "./help.js";
import { cursorOver, hit } from "./hit.js";
import { Input, followSize, followZoom } from "./input.js";
import { Model } from "./model.js";
import { Notices } from "./notices.js";
import { paint } from "./paint.js";
import { Pictures } from "./pictures.js";
import { countOutside, holds, pixelAt } from "./state.js";
import { installStyle } from "./style.js";
import { fit, pan, resized, toImage, zoomAt } from "./view.js";

const REACH = { mouse: 8, touch: 18 };

/** Where the graph is small, points and lines are drawn larger, up to this many times. */
const MOST_UNITS = 2;

export class Editor {
  element = element("div", "rf-editor");
  live = true;
  /** Whether the node has an image. */
  connected = false;
  #host;
  #model = new Model(() => this.#edited());
  #stage = element("div", "rf-stage");
  #canvas = document.createElement("canvas");
  #bars;
  #input;
  #end = new AbortController();
  #pictures;
  #backdrop = new Backdrop();
  #notices;
  #help = new Help(() => this.redraw());
  /** @type {View} */
  #view = { scale: 1, x: 0, y: 0 };
  #area = { width: 0, height: 0 };
  /** Pixels of the screen to one of the widget. */
  #graphZoom = 1;
  #masked = true;
  #running = false;
  #error = "";
  /** @type {Position | null} */
  #pointer = null;
  /** @type {import("./state.js").Item | null} */
  #hovered = null;
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
    this.#input.keys.setAttribute("aria-label", `Prompts on the image. ${HINT}`);
    this.#pictures = new Pictures((size) => this.#setSize(size), () => this.redraw());
    this.#notices = new Notices(
      () => this.#host.run(),
      () => this.#command("dropOutside"),
    );
    const progress = element("div", "rf-progress");
    const { hint, banner } = this.#notices;
    this.#stage.append(this.#canvas, this.#input.keys, this.#bars.fit, progress);
    this.#stage.append(hint, this.#help.panel, banner);
    this.element.append(this.#bars.top, this.#stage, this.#bars.bottom);
    followSize(this.#stage, () => this.#measure(), this.#end.signal);
    const look = () => this.#input.zoom !== this.#graphZoom && this.redraw();
    followZoom(this.element, look, this.#end.signal);
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
   * Show prompts that come from outside. A text that can't be read shows as an error, and stays as
   * it is until the next edit: a newer pack may have written it, and the node reports it too.
   *
   * @param {string} text
   */
  load(text) {
    try {
      this.#model.load(text);
    } catch (error) {
      this.#error = `The saved prompts can't be read: ${/** @type {Error} */ (error).message}`;
    }
    this.redraw();
  }

  /** @param {Picture | null} picture */
  setPicture(picture) {
    void this.#pictures.setPicture(picture);
  }

  /** @param {Result | null} result */
  setResult(result) {
    void this.#pictures.setResult(result);
  }

  /** Whether a run would only fail: something lies outside the image, or can't be read. */
  get astray() {
    return this.#model.unread || this.#outside > 0;
  }

  get #outside() {
    return this.#pictures.image ? countOutside(this.#model.state, this.#model.size) : 0;
  }

  /** Whether there is a picture. */
  get ready() {
    return this.#pictures.image !== null;
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
    this.#host.loaded();
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
      ready: () => this.#pictures.image !== null,
      done: () => this.redraw(),
      pointer: (at, grip) => this.#point(at, grip),
      order: (order) => {
        if ("command" in order) this.#command(order.command);
        else if ("object" in order) this.#model.activate(order.object);
        else this.#model.nudge(...order.nudge);
      },
      wheel: (factor, at) => {
        // Zooming out of the whole image is the graph's, so that it can always be zoomed out.
        if (factor < 1 && !this.#zoomed) return false;
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
      this.#found(at, touch);
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

  /** Whether less than the whole image shows. */
  get #zoomed() {
    return this.#view.scale > fit(this.#model.size, this.#area).scale * 1.0001;
  }

  /** @param {Position} at */
  #inside(at) {
    return holds(this.#model.size, toImage(this.#view, at));
  }

  /**
   * @param {Position} at
   * @param {boolean} touch
   */
  #found(at, touch) {
    const reach = (touch ? REACH.touch : REACH.mouse) * this.#unit;
    return hit(this.#model.state, this.#view, at, this.#model.active, reach);
  }

  /** How much larger than usual everything on the picture is. */
  get #unit() {
    return Math.min(MOST_UNITS, Math.max(1, 1 / this.#graphZoom));
  }

  /**
   * Show where the pointer is and what it would act on.
   *
   * @param {Position | null} at
   * @param {import("./input.js").Grip} grip
   */
  #point(at, grip) {
    this.#pointer = at;
    const found = at && this.#pictures.image ? this.#found(at, false) : null;
    this.#hovered = found?.item ?? null;
    if (!this.#pictures.image || !at) this.#canvas.style.cursor = "default";
    else this.#canvas.style.cursor = grip || cursorOver(found, this.#inside(at));
  }

  /** @param {boolean} wanted  whether to fill the window */
  #expand(wanted) {
    fillWindow(this.element, wanted);
    this.#focus();
  }

  /** So that the editor's keys work. */
  #focus() {
    this.#input.keys.focus({ preventScroll: true });
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
      clickIncludes: () => (model.exclude = false),
      clickExcludes: () => (model.exclude = true),
      dropOutside: () => model.dropOutside(),
      help: () => {
        this.#help.toggle();
        this.#focus();
      },
      deselect: () => {
        if (this.#help.close()) return;
        if (!this.#input.busy && !model.selected) this.#expand(false);
        this.#input.cancel();
        model.select(null);
      },
      expand: () => this.#expand(!fillsWindow(this.element)),
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
    this.#bars.revealActive();
    this.redraw();
  }

  #draw() {
    this.#frame = 0;
    // Before anything on the page is changed: asking after would make it lay itself out at once.
    this.#graphZoom = this.#input.zoom;
    const model = this.#model;
    const { image, overlay } = this.#pictures;
    this.#bars.show({
      ready: image !== null,
      names: model.state.objects.map(({ name }) => name),
      active: model.active,
      exclude: model.exclude,
      live: this.live,
      running: this.#running,
      masked: this.#masked,
      helping: this.#help.open,
      expanded: fillsWindow(this.element),
      zoomed: this.#zoomed,
      canUndo: model.canUndo,
      canRedo: model.canRedo,
      status: this.#status(),
    });
    const told = { error: this.#error, outside: this.#outside, connected: this.connected };
    this.#notices.show({ ready: image !== null, ...told });
    this.element.setAttribute("aria-busy", String(this.#running));
    const unit = this.#unit;
    const ratio = this.#sharpness();
    const ctx = cleared(this.#canvas, this.#area, ratio);
    const mask = image ? this.#pictures.mask(model.text) : "none";
    if (ctx && image && this.#area.width) {
      this.#backdrop.paint(ctx, {
        view: this.#view,
        size: model.size,
        area: this.#area,
        ratio,
        unit,
        picture: image,
        overlay: this.#masked ? overlay : null,
        dim: mask === "earlier",
      });
      paint(ctx, {
        state: model.state,
        view: this.#view,
        area: this.#area,
        unit,
        active: model.active,
        selected: model.selected,
        hovered: this.#hovered,
        rubber: model.rubber,
        cursor: model.cursor,
      });
    }
    this.element.dataset["mask"] = mask;
  }

  /** The line below the picture. */
  #status() {
    if (!this.#pictures.image) return "";
    if (!this.#pointer || !this.#inside(this.#pointer)) return this.#running ? "Running …" : HINT;
    const { width, height } = this.#model.size;
    const { x, y } = pixelAt(toImage(this.#view, this.#pointer), this.#model.size);
    return `${x}, ${y} of ${width} x ${height}, ${Math.round(this.#view.scale * 100)} %`;
  }

  /** Canvas pixels to one of the widget: as many as the screen and the graph's zoom show. */
  #sharpness() {
    return Math.min(3, (window.devicePixelRatio || 1) * Math.max(1, this.#graphZoom));
  }
}
