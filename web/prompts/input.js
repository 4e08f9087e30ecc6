/**
 * Listens to pointer, wheel and keyboard on the canvas and passes on what they mean. What the
 * editor uses is kept from the page below, so that the graph neither pans nor deletes the node.
 *
 * @typedef {import("./view.js").Position} Position
 *
 * @typedef {"" | "grab" | "grabbing"} Grip  whether the pointer pans, or would
 *
 * @typedef {object} Receiver
 * @property {import("./gestures.js").Meaning} meaning
 * @property {(order: import("./keys.js").Order) => void} order
 * @property {(factor: number, at: Position) => boolean} wheel  false leaves the wheel to the page
 * @property {(at: Position | null, grip: Grip) => void} pointer  where it is; null when it left
 * @property {() => void} done  after every event
 * @property {() => boolean} ready  whether there is an image to work on
 */

import { Gestures } from "./gestures.js";
import { orderOf } from "./keys.js";

const WHEEL_STEP = 0.0015;
const MIDDLE = 1;
const MIDDLE_HELD = 4;

export class Input {
  /** Holds the keyboard's focus: the page leaves keys that go to an input element alone. */
  keys = document.createElement("input");
  #canvas;
  #receiver;
  #gestures;
  #space = false;
  /** @type {Position | null} */
  #last = null;

  /**
   * @param {HTMLElement} root  of the editor
   * @param {HTMLCanvasElement} canvas
   * @param {Receiver} receiver
   * @param {AbortSignal} signal  ends the listening
   */
  constructor(root, canvas, receiver, signal) {
    this.#canvas = canvas;
    this.#receiver = receiver;
    this.#gestures = new Gestures(receiver.meaning, after);
    this.keys.className = "rf-keys";
    this.keys.readOnly = true;
    this.keys.inputMode = "none";
    this.#listenToPointer();
    root.addEventListener("contextmenu", (event) => event.stopPropagation());
    root.addEventListener("keydown", (event) => this.#key(event));
    root.addEventListener("keyup", (event) => this.#keyUp(event));
    this.keys.addEventListener("blur", () => (this.#space = false));
    const leave = (/** @type {Event} */ event) => {
      if (!root.contains(/** @type {Node} */ (event.target))) this.keys.blur();
    };
    document.addEventListener("pointerdown", leave, { capture: true, signal });
    this.#forestall(signal);
  }

  /** Undo the drag that is under way. */
  cancel() {
    this.#gestures.cancel();
  }

  /** Whether a press is under way. */
  get busy() {
    return this.#gestures.phase !== "idle";
  }

  #listenToPointer() {
    for (const name of ["pointerdown", "pointermove", "pointerup", "pointercancel"]) {
      this.#canvas.addEventListener(name, (event) => {
        this.#pointer(/** @type {PointerEvent} */ (event));
      });
    }
    this.#canvas.addEventListener("pointerleave", () => {
      this.#last = null;
      this.#receiver.pointer(null, "");
      this.#receiver.done();
    });
    for (const name of ["contextmenu", "dblclick", "auxclick"]) {
      this.#canvas.addEventListener(name, (event) => {
        event.stopPropagation();
        event.preventDefault();
      });
    }
    // Keeps the focus where `#down` puts it. Only `mousedown`, and it goes on to the page, as does
    // `mouseup`: that is when the page notes that the workflow changed.
    this.#canvas.addEventListener("mousedown", (event) => event.preventDefault());
  }

  /**
   * Wheel, middle button and pinch are the graph's own gestures: in Nodes 2.0 it takes them on
   * their way down to the canvas, so the editor has to be asked before that.
   *
   * @param {AbortSignal} signal
   */
  #forestall(signal) {
    const how = { capture: true, passive: false, signal };
    const on = (/** @type {string} */ name, /** @type {(event: any) => void} */ act) => {
      const ours = (/** @type {Event} */ event) => {
        if (event.target === this.#canvas) act(event);
      };
      window.addEventListener(name, ours, how);
    };
    on("wheel", (event) => this.#wheel(event));
    on("touchmove", (event) => event.stopPropagation());
    for (const name of ["pointerdown", "pointermove", "pointerup"]) {
      on(name, (event) => {
        if (event.button === MIDDLE || event.buttons & MIDDLE_HELD) this.#pointer(event);
      });
    }
  }

  /** @param {PointerEvent} event */
  #pointer(event) {
    event.stopPropagation();
    const at = this.#at(event);
    if (event.type === "pointerdown") this.#down(event);
    if (event.type === "pointermove") {
      this.#gestures.move(event.pointerId, at);
    }
    if (event.type === "pointerup") this.#gestures.up(event.pointerId, at);
    if (event.type === "pointercancel") this.#gestures.cancel();
    this.#last = at;
    this.#point();
  }

  /** Tell where the pointer is and what it would do there. */
  #point() {
    const { phase } = this.#gestures;
    const pans = phase === "panning" || phase === "pinching";
    this.#receiver.pointer(this.#last, pans ? "grabbing" : this.#space ? "grab" : "");
    this.#receiver.done();
  }

  /** Pixels of the screen to one of the widget: how far the graph is zoomed. */
  get zoom() {
    const { width } = this.#canvas.getBoundingClientRect();
    return width && this.#canvas.offsetWidth ? width / this.#canvas.offsetWidth : 1;
  }

  /**
   * The place of an event in the widget's own pixels, however the graph is zoomed.
   *
   * @param {MouseEvent} event
   * @returns {Position}
   */
  #at(event) {
    const rect = this.#canvas.getBoundingClientRect();
    return {
      x: ((event.clientX - rect.left) * this.#canvas.offsetWidth) / Math.max(1, rect.width),
      y: ((event.clientY - rect.top) * this.#canvas.offsetHeight) / Math.max(1, rect.height),
    };
  }

  /** @param {PointerEvent} event */
  #down(event) {
    this.keys.focus({ preventScroll: true });
    if (!this.#receiver.ready()) return;
    capture(this.#canvas, event.pointerId);
    this.#gestures.down({
      id: event.pointerId,
      type: event.pointerType,
      at: this.#at(event),
      button: event.button,
      exclude: event.altKey || event.ctrlKey || event.metaKey,
      fresh: event.shiftKey,
      space: this.#space,
      unit: 1 / this.zoom,
    });
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    const delta = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
    const factor = Math.exp(-Math.max(-300, Math.min(300, delta)) * WHEEL_STEP);
    if (!this.#receiver.ready() || !this.#receiver.wheel(factor, this.#at(event))) return;
    event.preventDefault();
    event.stopPropagation();
    this.#receiver.done();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.target !== this.keys) {
      // A button or the name field: the page must not take their plain keys as its shortcuts.
      if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
      return;
    }
    const order = orderOf(event);
    if (event.key === " ") this.#space = true;
    else if (!order) return;
    event.preventDefault();
    event.stopPropagation();
    if (order && this.#receiver.ready()) this.#receiver.order(order);
    this.#point();
  }

  /** @param {KeyboardEvent} event */
  #keyUp(event) {
    if (event.key !== " ") return;
    this.#space = false;
    this.#point();
  }
}

/**
 * Act whenever an element's size changes, until `end`.
 *
 * @param {HTMLElement} element
 * @param {() => void} act
 * @param {AbortSignal} end
 */
export function followSize(element, act, end) {
  const observer = new ResizeObserver(act);
  observer.observe(element);
  end.addEventListener("abort", () => observer.disconnect());
}

/**
 * Have an element drawn again after the graph was zoomed, as sharp and as large as fits.
 *
 * @param {HTMLElement} element
 * @param {() => void} look  draws it where the zoom is another
 * @param {AbortSignal} signal  ends it
 */
export function followZoom(element, look, signal) {
  const how = { passive: true, capture: true, signal };
  window.addEventListener("wheel", () => window.setTimeout(look, 150), how);
  element.addEventListener("pointerenter", look);
}

/**
 * @param {number} ms
 * @param {() => void} then
 * @returns {() => void} cancels it
 */
export function after(ms, then) {
  const timer = window.setTimeout(then, ms);
  return () => window.clearTimeout(timer);
}

/**
 * Do something after one of the callbacks of a node or widget, whoever else uses it.
 *
 * @template {string} Name
 * @param {{[name in Name]?: ((...args: any[]) => unknown) | undefined}} owner
 * @param {Name} name
 * @param {(...args: any[]) => void} then
 */
export function chain(owner, name, then) {
  const before = /** @type {((...args: any[]) => unknown) | undefined} */ (owner[name]);
  owner[name] = function (/** @type {any[]} */ ...args) {
    const answer = before?.apply(this, args);
    then(...args);
    return answer;
  };
}

/**
 * Keep getting a pointer's events outside the canvas; a pointer that is already gone can't be kept.
 *
 * @param {HTMLElement} canvas
 * @param {number} id
 */
function capture(canvas, id) {
  try {
    canvas.setPointerCapture(id);
  } catch {
    // The press still counts as a click.
  }
}
