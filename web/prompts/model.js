/**
 * What the user works on: the prompts with their history, the active object and the selection, and
 * what clicks, drags and commands do to them. Positions are on the image. No DOM here.
 *
 * @typedef {import("./state.js").State} State
 * @typedef {import("./state.js").Item} Item
 * @typedef {import("./state.js").Box} Box
 * @typedef {import("./state.js").Size} Size
 * @typedef {import("./hit.js").Hit} Hit
 * @typedef {import("./gestures.js").Intent} Intent
 * @typedef {import("./view.js").Position} Position
 * @typedef {{from: Position, hit: Hit | null, object: number, box: Box | null}} Drag
 */

import { History } from "./history.js";
import {
  EMPTY,
  addPoint,
  boxBetween,
  clamp,
  dropOutside,
  moveItem,
  pixelAt,
  read,
  removeItem,
  removeObject,
  rename,
  resizeBox,
  setBox,
  write,
} from "./state.js";

export class Model {
  /** @type {Size} */
  size = { width: 1, height: 1 };
  active = 0;
  /** @type {Item | null} */
  selected = null;
  /** Plain clicks exclude; for touch and for those who prefer it. */
  exclude = false;
  /** @type {{x: number, y: number} | null} */
  cursor = null;
  /** @type {History<State>} */
  #history = new History(EMPTY);
  /** @type {Drag | null} */
  #drag = null;
  /** @type {State | null} */
  #draft = null;
  #nudging = false;
  /** A text that can't be read: it stays the value until the next edit. @type {string | null} */
  #unread = null;
  #edited;

  /** @param {() => void} edited  called after each edit by the user */
  constructor(edited) {
    this.#edited = edited;
  }

  /** The prompts as they show, with what is being dragged. */
  get state() {
    return this.#draft ?? this.#history.now;
  }

  get text() {
    return this.#unread ?? write(this.#history.now);
  }

  /** Whether the text is one that can't be read. */
  get unread() {
    return this.#unread !== null;
  }

  get canUndo() {
    return this.#history.canUndo;
  }

  get canRedo() {
    return this.#history.canRedo;
  }

  /** The box being drawn, if any. */
  get rubber() {
    return this.#drag?.box ?? null;
  }

  /**
   * Take prompts that come from outside; the history starts over unless nothing changed.
   *
   * @param {string} text
   * @throws {Error} when the text can't be read
   */
  load(text) {
    try {
      const state = read(text);
      if (write(state) !== this.text) this.#reset(state, null);
    } catch (error) {
      this.#reset(EMPTY, text);
      throw error;
    }
  }

  /**
   * @param {State} state
   * @param {string | null} unread
   */
  #reset(state, unread) {
    this.#unread = unread;
    this.#drag = null;
    this.#draft = null;
    this.#history.reset(state);
    this.active = Math.max(0, state.objects.length - 1);
    this.selected = null;
  }

  /**
   * A click: on a point or an outline it selects (excluding on a point: it removes), elsewhere it
   * adds a point to the active object.
   *
   * @param {Position} at
   * @param {Hit | null} hit
   * @param {Intent} intent
   */
  click(at, hit, intent) {
    this.cursor = null;
    if (hit && intent.exclude && hit.item.kind === "point") {
      this.#commit(removeItem(this.state, hit.item), hit.item.object);
    } else if (hit && !intent.exclude) {
      this.select(hit.item);
    } else {
      this.#addPoint(at, intent.exclude !== this.exclude, intent.fresh);
    }
  }

  /** @param {Item | null} item */
  select(item) {
    this.selected = item;
    this.#nudging = false;
    if (item) this.active = item.object;
  }

  /** @param {number} object */
  activate(object) {
    this.active = clamp(object, 0, this.state.objects.length);
    this.select(null);
  }

  /**
   * @param {Position} at
   * @param {boolean} exclude
   * @param {boolean} fresh
   */
  #addPoint(at, exclude, fresh) {
    const object = fresh ? this.state.objects.length : this.active;
    const next = addPoint(this.state, object, {
      ...pixelAt(at, this.size),
      label: exclude ? 0 : 1,
    });
    const index = (next.objects[object]?.points.length ?? 1) - 1;
    this.#commit(next, object, { object, kind: "point", index });
  }

  /**
   * @param {Position} from
   * @param {Hit | null} hit  what is dragged; nothing draws a box
   * @param {Intent} intent
   */
  dragBegin(from, hit, intent) {
    this.cursor = null;
    const object = intent.fresh ? this.state.objects.length : this.active;
    this.#drag = { from, hit, object, box: null };
    if (hit) this.select(hit.item);
    else if (intent.fresh) this.activate(object);
  }

  /** @param {Position} to */
  dragMove(to) {
    const drag = this.#drag;
    if (!drag) return;
    const { from, hit } = drag;
    if (hit) this.#draft = this.#dragged(hit, to.x - from.x, to.y - from.y);
    else drag.box = boxBetween(from, to, this.size);
  }

  /** @param {Position} to */
  dragEnd(to) {
    this.dragMove(to);
    const drag = this.#drag;
    const draft = this.#draft;
    this.#drag = null;
    this.#draft = null;
    if (!drag) return;
    if (drag.hit) return void (draft && this.#commit(draft, drag.hit.item.object, drag.hit.item));
    const { object, box } = drag;
    if (box) this.#commit(setBox(this.state, object, box), object, { object, kind: "box" });
  }

  dragCancel() {
    this.#drag = null;
    this.#draft = null;
    this.#clampActive();
  }

  /**
   * @param {Hit} hit
   * @param {number} dx
   * @param {number} dy
   * @returns {State}
   */
  #dragged({ item, handle }, dx, dy) {
    const state = this.#history.now;
    const box = state.objects[item.object]?.box;
    if (item.kind === "point" || !handle || !box) return moveItem(state, item, dx, dy, this.size);
    return setBox(state, item.object, resizeBox(box, handle, dx, dy, this.size));
  }

  /** Move the selection by whole pixels, or without one the keyboard's cursor.
   *
   * @param {number} dx
   * @param {number} dy
   */
  nudge(dx, dy) {
    if (!this.selected) {
      const { width, height } = this.size;
      const from = this.cursor ?? { x: Math.floor(width / 2), y: Math.floor(height / 2) };
      this.cursor = pixelAt({ x: from.x + dx, y: from.y + dy }, this.size);
      return;
    }
    const next = moveItem(this.state, this.selected, dx, dy, this.size);
    if (this.#nudging) this.#history.amend(next);
    else this.#history.commit(next);
    this.#nudging = true;
    this.#edited();
  }

  /** Add a point at the keyboard's cursor, or at the middle of the image.
   *
   * @param {boolean} exclude
   */
  addAtCursor(exclude) {
    const { width, height } = this.size;
    const at = this.cursor ?? { x: width / 2, y: height / 2 };
    this.#addPoint(at, exclude !== this.exclude, false);
  }

  /** Select the next or previous item of the active object: its points, then its box.
   *
   * @param {number} step
   */
  selectNext(step) {
    const object = this.state.objects[this.active];
    if (!object) return;
    const items = object.points.map(
      (_, index) => /** @type {Item} */ ({ object: this.active, kind: "point", index }),
    );
    if (object.box) items.push({ object: this.active, kind: "box" });
    const now = items.findIndex((item) => JSON.stringify(item) === JSON.stringify(this.selected));
    const first = step > 0 ? 0 : items.length - 1;
    this.select(items[now < 0 ? first : (now + step + items.length) % items.length] ?? null);
  }

  /** Remove the selected point or box, else the active object. */
  remove() {
    const next = this.selected
      ? removeItem(this.state, this.selected)
      : removeObject(this.state, this.active);
    this.#commit(next, this.active);
  }

  /** Remove what lies outside the image. */
  dropOutside() {
    this.#commit(dropOutside(this.state, this.size), this.active);
  }

  clear() {
    this.#commit(EMPTY, 0);
  }

  /** @param {string} name */
  rename(name) {
    this.#commit(rename(this.state, this.active, name), this.active, this.selected);
  }

  undo() {
    if (this.#history.undo()) this.#moved();
  }

  redo() {
    if (this.#history.redo()) this.#moved();
  }

  #moved() {
    this.select(null);
    this.#clampActive();
    this.#edited();
  }

  /**
   * @param {State} next
   * @param {number} active
   * @param {Item | null} selected
   */
  #commit(next, active, selected = null) {
    const before = this.text;
    this.#unread = null;
    this.#history.commit(next);
    this.active = active;
    this.select(selected);
    this.#clampActive();
    if (this.text !== before) this.#edited();
  }

  #clampActive() {
    this.active = clamp(this.active, 0, Math.max(0, this.state.objects.length - 1));
  }
}
