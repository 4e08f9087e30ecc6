import assert from "node:assert/strict";
import { test } from "node:test";

import {
  EMPTY,
  addPoint,
  boxBetween,
  countOutside,
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
} from "../../web/prompts/state.js";

const SIZE = { width: 100, height: 50 };
const BOX = { x: 10, y: 5, width: 20, height: 10 };

/** @param {number} x @param {number} y @param {0 | 1} [label] */
const point = (x, y, label = 1) => ({ x, y, label });

test("what is written is read back", () => {
  const state = rename(setBox(addPoint(EMPTY, 0, point(3, 4, 0)), 0, BOX), 0, "cup");
  assert.deepEqual(read(write(state)), state);
});

test("no objects are written as an empty text", () => {
  assert.equal(write(EMPTY), "");
  assert.equal(read(" "), EMPTY);
});

test("the written text is version 1 with objects, points and boxes", () => {
  const state = setBox(addPoint(EMPTY, 0, point(3, 4)), 0, BOX);
  assert.deepEqual(JSON.parse(write(state)), {
    version: 1,
    objects: [{ points: [{ x: 3, y: 4, label: 1 }], box: BOX, name: "" }],
  });
});

test("a bare list of points is one object of included points", () => {
  assert.deepEqual(read('[{"x": 1, "y": 2}]').objects, [
    { points: [point(1, 2)], box: null, name: "" },
  ]);
});

test("a text that is neither is refused", () => {
  assert.throws(() => read("{"), SyntaxError);
  assert.throws(() => read('{"version": 2, "objects": []}'), /wanted version 1/);
  assert.throws(() => read('{"version": 1, "objects": [{"points": [{"x": "a"}]}]}'), /number/);
});

test("an edit leaves the state it started from alone", () => {
  const first = addPoint(EMPTY, 0, point(1, 1));
  const text = write(first);
  addPoint(first, 0, point(2, 2));
  setBox(first, 0, BOX);
  moveItem(first, { object: 0, kind: "point", index: 0 }, 5, 5, SIZE);
  removeItem(first, { object: 0, kind: "point", index: 0 });
  assert.equal(write(first), text);
});

test("a point for the object after the last begins a new object", () => {
  const state = addPoint(addPoint(EMPTY, 0, point(1, 1)), 1, point(2, 2));
  assert.equal(state.objects.length, 2);
});

test("an object goes with its last point or box", () => {
  let state = setBox(addPoint(EMPTY, 0, point(1, 1)), 0, BOX);
  state = removeItem(state, { object: 0, kind: "box" });
  assert.equal(state.objects.length, 1);
  state = removeItem(state, { object: 0, kind: "point", index: 0 });
  assert.deepEqual(state.objects, []);
});

test("removing an object keeps the others in order", () => {
  let state = EMPTY;
  for (const x of [1, 2, 3]) state = addPoint(state, state.objects.length, point(x, 0));
  assert.deepEqual(removeObject(state, 1).objects.map((o) => o.points[0]?.x), [1, 3]);
});

test("a moved point keeps its label and stays inside the image", () => {
  const state = addPoint(EMPTY, 0, point(98, 2, 0));
  const moved = moveItem(state, { object: 0, kind: "point", index: 0 }, 7.4, -9, SIZE);
  assert.deepEqual(moved.objects[0]?.points, [point(99, 0, 0)]);
});

test("a moved box keeps its size and stays inside the image", () => {
  const moved = moveItem(setBox(EMPTY, 0, BOX), { object: 0, kind: "box" }, 500, 1, SIZE);
  assert.deepEqual(moved.objects[0]?.box, { x: 80, y: 6, width: 20, height: 10 });
});

test("moving what is not there changes nothing", () => {
  const state = addPoint(EMPTY, 0, point(1, 1));
  assert.equal(moveItem(state, { object: 0, kind: "box" }, 1, 1, SIZE), state);
  assert.equal(moveItem(state, { object: 3, kind: "point", index: 0 }, 1, 1, SIZE), state);
});

test("a position belongs to the pixel it lies in, at the edges to the last one", () => {
  assert.deepEqual(pixelAt({ x: 7.99, y: 0 }, SIZE), { x: 7, y: 0 });
  assert.deepEqual(pixelAt({ x: 100, y: -3 }, SIZE), { x: 99, y: 0 });
});

test("a box covers every pixel between its corners, whichever way it was dragged", () => {
  const wanted = { x: 3, y: 4, width: 5, height: 3 };
  assert.deepEqual(boxBetween({ x: 3.2, y: 4.9 }, { x: 7.1, y: 6.5 }, SIZE), wanted);
  assert.deepEqual(boxBetween({ x: 7.1, y: 6.5 }, { x: 3.2, y: 4.9 }, SIZE), wanted);
});

test("a box dragged outside is cut to the image and never empty", () => {
  const whole = boxBetween({ x: -20, y: -20 }, { x: 900, y: 900 }, SIZE);
  assert.deepEqual(whole, { x: 0, y: 0, width: 100, height: 50 });
  const corner = boxBetween({ x: 300, y: 300 }, { x: 301, y: 301 }, SIZE);
  assert.deepEqual(corner, { x: 99, y: 49, width: 1, height: 1 });
});

test("a handle moves its own sides, and past the other side turns the box over", () => {
  assert.deepEqual(resizeBox(BOX, "se", 5, -2, SIZE), { x: 10, y: 5, width: 25, height: 8 });
  assert.deepEqual(resizeBox(BOX, "n", 50, 3, SIZE), { x: 10, y: 8, width: 20, height: 7 });
  assert.deepEqual(resizeBox(BOX, "w", 30, 0, SIZE), { x: 30, y: 5, width: 10, height: 10 });
});

test("items outside an image are counted", () => {
  let state = addPoint(addPoint(EMPTY, 0, point(99, 49)), 0, point(100, 0));
  state = setBox(state, 0, { x: 90, y: 45, width: 10, height: 6 });
  assert.equal(countOutside(state, SIZE), 1);
  assert.equal(countOutside(setBox(state, 0, { x: 100, y: 0, width: 5, height: 5 }), SIZE), 2);
  assert.equal(countOutside(state, { width: 101, height: 51 }), 0);
});

test("dropping what is outside keeps the rest, cuts boxes and removes empty objects", () => {
  let state = addPoint(addPoint(EMPTY, 0, point(99, 49)), 0, point(100, 0));
  state = setBox(state, 0, { x: 90, y: 45, width: 20, height: 6 });
  state = addPoint(state, 1, point(-1, 3));
  const left = dropOutside(state, SIZE);
  assert.deepEqual(left.objects.length, 1);
  assert.deepEqual(left.objects[0]?.points, [point(99, 49)]);
  assert.deepEqual(left.objects[0]?.box, { x: 90, y: 45, width: 10, height: 5 });
  assert.equal(countOutside(left, SIZE), 0);
});
