/**
 * What lies under the pointer.
 *
 * @typedef {import("./state.js").State} State
 * @typedef {import("./state.js").Box} Box
 * @typedef {import("./state.js").Item} Item
 * @typedef {import("./view.js").View} View
 * @typedef {import("./view.js").Position} Position
 * @typedef {{item: Item, handle: string}} Hit  handle: "" = the item itself, or "n", "se", ..
 */

import { toScreen } from "./view.js";

/**
 * The item under a screen position. Points come before boxes, the active object before others and
 * later items before earlier ones; a handle of the active object's box before its outline.
 *
 * @param {State} state
 * @param {View} view
 * @param {Position} at  on the screen
 * @param {number} active  the active object
 * @param {number} reach  how far off counts, in screen pixels
 * @returns {Hit | null}
 */
export function hit(state, view, at, active, reach) {
  const order = state.objects.map((_, i) => i).sort((a, b) => rank(b, active) - rank(a, active));
  return hitPoint(state, view, at, order, reach) ?? hitBox(state, view, at, order, active, reach);
}

/**
 * @param {number} object
 * @param {number} active
 */
function rank(object, active) {
  return object === active ? Infinity : object;
}

/**
 * @param {State} state
 * @param {View} view
 * @param {Position} at
 * @param {number[]} order
 * @param {number} reach
 * @returns {Hit | null}
 */
function hitPoint(state, view, at, order, reach) {
  /** @type {Hit | null} */
  let best = null;
  let nearest = reach;
  for (const object of order) {
    const points = state.objects[object]?.points ?? [];
    for (let index = points.length - 1; index >= 0; index -= 1) {
      const { x, y } = toScreen(view, centre(/** @type {any} */ (points[index])));
      const away = Math.hypot(at.x - x, at.y - y);
      if (away < nearest) {
        nearest = away;
        best = { item: { object, kind: "point", index }, handle: "" };
      }
    }
  }
  return best;
}

/**
 * @param {State} state
 * @param {View} view
 * @param {Position} at
 * @param {number[]} order
 * @param {number} active
 * @param {number} reach
 * @returns {Hit | null}
 */
function hitBox(state, view, at, order, active, reach) {
  for (const object of order) {
    const box = state.objects[object]?.box;
    if (!box) continue;
    const item = /** @type {Item} */ ({ object, kind: "box" });
    if (object === active) {
      for (const [handle, place] of handles(box)) {
        const { x, y } = toScreen(view, place);
        if (Math.max(Math.abs(at.x - x), Math.abs(at.y - y)) <= reach) return { item, handle };
      }
    }
    if (onOutline(box, view, at, reach * 0.6)) return { item, handle: "" };
  }
  return null;
}

/**
 * @param {Box} box
 * @param {View} view
 * @param {Position} at
 * @param {number} reach
 */
function onOutline(box, view, at, reach) {
  const a = toScreen(view, box);
  const b = toScreen(view, { x: box.x + box.width, y: box.y + box.height });
  const outside = Math.max(a.x - at.x, at.x - b.x, a.y - at.y, at.y - b.y);
  return Math.abs(outside) <= reach;
}

/**
 * The mouse's shape over what it would act on.
 *
 * @param {Hit | null} found  what is under it
 * @param {boolean} inside  whether it is over the image
 * @returns {string} a CSS cursor
 */
export function cursorOver(found, inside) {
  if (!found) return inside ? "crosshair" : "default";
  if (found.item.kind === "point") return "pointer";
  if (!found.handle) return "move";
  if (found.handle.length === 1) return "ns".includes(found.handle) ? "ns-resize" : "ew-resize";
  return found.handle === "nw" || found.handle === "se" ? "nwse-resize" : "nesw-resize";
}

/**
 * The eight handles of a box and where they lie on the image, corners first.
 *
 * @param {Box} box
 * @returns {[string, Position][]}
 */
export function handles({ x, y, width, height }) {
  const [right, bottom] = [x + width, y + height];
  const [middleX, middleY] = [x + width / 2, y + height / 2];
  return [
    ["nw", { x, y }],
    ["ne", { x: right, y }],
    ["se", { x: right, y: bottom }],
    ["sw", { x, y: bottom }],
    ["n", { x: middleX, y }],
    ["e", { x: right, y: middleY }],
    ["s", { x: middleX, y: bottom }],
    ["w", { x, y: middleY }],
  ];
}

/**
 * The middle of a point's pixel.
 *
 * @param {{x: number, y: number}} point
 * @returns {Position}
 */
export function centre(point) {
  return { x: point.x + 0.5, y: point.y + 0.5 };
}
