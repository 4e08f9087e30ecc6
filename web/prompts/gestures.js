/**
 * Turns pointer events into what the user means: a click, a drag, a pan, a pinch. No DOM here, so
 * the rules can be tested with plain objects.
 *
 * Mouse and pen: left press and release is a click, moving further than SLOP makes it a drag. The
 * right button or Alt / Ctrl / Cmd marks a click as excluding, Shift as the start of a new object.
 * A drag with the middle or right button, or with Space held, pans. Touch: tap, drag, a long press
 * excludes, two fingers pan and zoom.
 *
 * @typedef {{x: number, y: number}} Position
 * @typedef {{exclude: boolean, fresh: boolean, touch: boolean}} Intent  fresh = begin a new object
 * @typedef {object} Press
 * @property {number} id  the pointer's
 * @property {string} type  "mouse", "pen" or "touch"
 * @property {Position} at  on the widget
 * @property {number} button  0 left, 1 middle, 2 right
 * @property {boolean} exclude  Alt, Ctrl or Cmd held
 * @property {boolean} fresh  Shift held
 * @property {boolean} space  Space held
 * @property {number} unit  pixels of the widget to one of the screen
 *
 * @typedef {object} Meaning
 * @property {(at: Position, intent: Intent) => void} click
 * @property {(from: Position, intent: Intent) => void} dragBegin
 * @property {(at: Position) => void} dragMove
 * @property {(at: Position) => void} dragEnd
 * @property {() => void} dragCancel
 * @property {(dx: number, dy: number) => void} pan
 * @property {(factor: number, at: Position) => void} zoom
 */

const SLOP = { mouse: 4, touch: 10 };
export const LONG_PRESS_MS = 450;

/** @typedef {"idle" | "pressed" | "dragging" | "panning" | "pinching" | "spent"} Phase */

export class Gestures {
  /** @type {Phase} */
  #phase = "idle";
  /** @type {Map<number, Position>} */
  #pointers = new Map();
  /** @type {Press | null} */
  #press = null;
  #cancelTimer = () => {};
  #meaning;
  #after;

  /**
   * @param {Meaning} meaning
   * @param {(ms: number, then: () => void) => () => void} after  start a timer; returns its cancel
   */
  constructor(meaning, after) {
    this.#meaning = meaning;
    this.#after = after;
  }

  get phase() {
    return this.#phase;
  }

  /** @param {Press} press */
  down(press) {
    this.#pointers.set(press.id, press.at);
    if (this.#pointers.size === 2 && press.type === "touch") return this.#beginPinch();
    if (this.#phase !== "idle") return undefined;
    this.#press = press;
    if (press.button === 1 || (press.button === 0 && press.space)) {
      this.#phase = "panning";
      return undefined;
    }
    this.#phase = "pressed";
    if (press.type === "touch") {
      this.#cancelTimer = this.#after(LONG_PRESS_MS, () => this.#longPress());
    }
    return undefined;
  }

  /**
   * @param {number} id
   * @param {Position} at
   */
  move(id, at) {
    const last = this.#pointers.get(id);
    if (!last) return;
    if (this.#phase === "pinching") this.#pinch(id, at);
    this.#pointers.set(id, at);
    if (id !== this.#press?.id) return;
    if (this.#phase === "panning") this.#meaning.pan(at.x - last.x, at.y - last.y);
    if (this.#phase === "pressed" && this.#movedFar(at)) this.#beginDrag();
    if (this.#phase === "dragging") this.#meaning.dragMove(at);
  }

  /**
   * @param {number} id
   * @param {Position} at
   */
  up(id, at) {
    if (!this.#pointers.delete(id)) return;
    this.#cancelTimer();
    if (this.#phase === "pinching") this.#phase = "spent";
    if (id === this.#press?.id) {
      if (this.#phase === "pressed") this.#meaning.click(this.#press.at, this.#intent());
      if (this.#phase === "dragging") this.#meaning.dragEnd(at);
    }
    if (!this.#pointers.size) this.#rest();
  }

  /** The host took the pointers away, or the user pressed Escape: undo what is under way. */
  cancel() {
    this.#cancelTimer();
    if (this.#phase === "dragging") this.#meaning.dragCancel();
    this.#pointers.clear();
    this.#rest();
  }

  #rest() {
    this.#phase = "idle";
    this.#press = null;
  }

  /** @returns {Intent} */
  #intent() {
    const press = /** @type {Press} */ (this.#press);
    return {
      exclude: press.exclude || press.button === 2,
      fresh: press.fresh,
      touch: press.type === "touch",
    };
  }

  /** @param {Position} at */
  #movedFar(at) {
    const press = /** @type {Press} */ (this.#press);
    const slop = press.unit * (press.type === "touch" ? SLOP.touch : SLOP.mouse);
    return Math.hypot(at.x - press.at.x, at.y - press.at.y) > slop;
  }

  #beginDrag() {
    this.#cancelTimer();
    const press = /** @type {Press} */ (this.#press);
    this.#phase = press.button === 2 ? "panning" : "dragging";
    if (this.#phase === "dragging") this.#meaning.dragBegin(press.at, this.#intent());
  }

  #longPress() {
    if (this.#phase !== "pressed") return;
    this.#phase = "spent";
    const press = /** @type {Press} */ (this.#press);
    this.#meaning.click(press.at, { ...this.#intent(), exclude: true });
  }

  #beginPinch() {
    this.#cancelTimer();
    if (this.#phase === "dragging") this.#meaning.dragCancel();
    this.#phase = "pinching";
    return undefined;
  }

  /**
   * @param {number} id
   * @param {Position} at
   */
  #pinch(id, at) {
    const from = /** @type {Position} */ (this.#pointers.get(id));
    const other = [...this.#pointers].find(([key]) => key !== id)?.[1];
    if (!other) return;
    const middle = { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 };
    this.#meaning.pan((at.x - from.x) / 2, (at.y - from.y) / 2);
    const before = Math.max(1, Math.hypot(from.x - other.x, from.y - other.y));
    this.#meaning.zoom(Math.hypot(at.x - other.x, at.y - other.y) / before, middle);
  }
}
