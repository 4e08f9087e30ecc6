import assert from "node:assert/strict";
import { test } from "node:test";

import { cursorOver, handles, hit } from "../../web/prompts/hit.js";
import { EMPTY, addPoint, setBox } from "../../web/prompts/state.js";

const VIEW = { scale: 2, x: 10, y: 20 };
const BOX = { x: 50, y: 50, width: 40, height: 30 };

/** @param {number} x @param {number} y @returns {{x: number, y: number}} on the screen */
const over = (x, y) => ({ x: (x + 0.5) * 2 + 10, y: (y + 0.5) * 2 + 20 });

const two = addPoint(
  addPoint(addPoint(EMPTY, 0, { x: 5, y: 5, label: 1 }), 0, { x: 9, y: 5, label: 0 }),
  1,
  { x: 6, y: 5, label: 1 },
);

test("the nearest point within reach is hit", () => {
  const found = hit(two, VIEW, over(9, 6), 0, 8);
  assert.deepEqual(found, { item: { object: 0, kind: "point", index: 1 }, handle: "" });
});

test("nothing is hit out of reach", () => {
  assert.equal(hit(two, VIEW, over(40, 40), 0, 8), null);
});

test("of two points on one pixel, the active object's is hit", () => {
  const state = addPoint(addPoint(EMPTY, 0, { x: 5, y: 5, label: 1 }), 1, { x: 5, y: 5, label: 1 });
  assert.equal(hit(state, VIEW, over(5, 5), 0, 8)?.item.object, 0);
  assert.equal(hit(state, VIEW, over(5, 5), 1, 8)?.item.object, 1);
});

test("the inside of a box is free for points", () => {
  assert.equal(hit(setBox(EMPTY, 0, BOX), VIEW, over(70, 65), 0, 8), null);
});

test("every handle of the active object's box is hit, its corners before its sides", () => {
  const state = setBox(EMPTY, 0, BOX);
  for (const [handle, { x, y }] of handles(BOX)) {
    assert.equal(hit(state, VIEW, { x: x * 2 + 10, y: y * 2 + 20 }, 0, 8)?.handle, handle);
  }
});

test("the outline of another object's box selects it without a handle", () => {
  const found = hit(setBox(EMPTY, 0, BOX), VIEW, { x: 50 * 2 + 10, y: 60 * 2 + 20 }, 1, 8);
  assert.deepEqual(found, { item: { object: 0, kind: "box" }, handle: "" });
});

test("a point on a box's outline comes before the box", () => {
  const state = addPoint(setBox(EMPTY, 0, BOX), 0, { x: 50, y: 65, label: 1 });
  assert.equal(hit(state, VIEW, over(50, 65), 0, 8)?.item.kind, "point");
});

test("the cursor says what a press would do", () => {
  const box = /** @type {const} */ ({ object: 0, kind: "box" });
  const point = /** @type {const} */ ({ object: 0, kind: "point", index: 0 });
  assert.equal(cursorOver(null, true), "crosshair");
  assert.equal(cursorOver(null, false), "default");
  assert.equal(cursorOver({ item: point, handle: "" }, true), "pointer");
  assert.equal(cursorOver({ item: box, handle: "" }, true), "move");
  for (const [handle, cursor] of [
    ["n", "ns-resize"],
    ["w", "ew-resize"],
    ["se", "nwse-resize"],
    ["ne", "nesw-resize"],
  ]) {
    assert.equal(cursorOver({ item: box, handle: String(handle) }, true), cursor);
  }
});
