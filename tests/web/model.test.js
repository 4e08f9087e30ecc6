import assert from "node:assert/strict";
import { test } from "node:test";

import { orderOf } from "../../web/prompts/keys.js";
import { Model } from "../../web/prompts/model.js";

const PLAIN = { exclude: false, fresh: false, touch: false };
const EXCLUDE = { ...PLAIN, exclude: true };
const FRESH = { ...PLAIN, fresh: true };

function setUp() {
  /** @type {string[]} */
  const edits = [];
  /** @type {Model} */
  const model = new Model(() => edits.push(model.text));
  model.size = { width: 100, height: 50 };
  return { model, edits };
}

/** @param {Model} model */
const labels = (model) => model.state.objects.map(({ points }) => points.map((p) => p.label));

/** @param {number} object @param {number} index @returns {any} */
const onPoint = (object, index) => ({ item: { object, kind: "point", index }, handle: "" });

test("clicks add points to the active object, excluding ones too", () => {
  const { model, edits } = setUp();
  model.click({ x: 3.7, y: 4.2 }, null, PLAIN);
  model.click({ x: 9, y: 9 }, null, EXCLUDE);
  assert.deepEqual(labels(model), [[1, 0]]);
  assert.deepEqual(model.state.objects[0]?.points[0], { x: 3, y: 4, label: 1 });
  assert.equal(edits.length, 2);
});

test("a click that begins a new object makes it the active one", () => {
  const { model } = setUp();
  model.click({ x: 1, y: 1 }, null, PLAIN);
  model.click({ x: 2, y: 2 }, null, FRESH);
  model.click({ x: 3, y: 3 }, null, PLAIN);
  assert.deepEqual(labels(model), [[1], [1, 1]]);
});

test("in excluding mode plain clicks exclude and excluding ones include", () => {
  const { model } = setUp();
  model.exclude = true;
  model.click({ x: 1, y: 1 }, null, PLAIN);
  model.click({ x: 2, y: 2 }, null, EXCLUDE);
  assert.deepEqual(labels(model), [[0, 1]]);
});

test("a click on a point selects it, an excluding click removes it", () => {
  const { model, edits } = setUp();
  model.click({ x: 1, y: 1 }, null, PLAIN);
  model.click({ x: 9, y: 9 }, null, FRESH);
  model.click({ x: 1, y: 1 }, onPoint(0, 0), PLAIN);
  assert.equal(model.active, 0);
  assert.equal(edits.length, 2);
  model.click({ x: 1, y: 1 }, onPoint(0, 0), EXCLUDE);
  assert.deepEqual(labels(model), [[1]]);
});

test("a drag on the image draws a box, and only its end is an edit", () => {
  const { model, edits } = setUp();
  model.dragBegin({ x: 10, y: 10 }, null, PLAIN);
  model.dragMove({ x: 30, y: 20 });
  assert.deepEqual(model.rubber, { x: 10, y: 10, width: 20, height: 10 });
  assert.equal(edits.length, 0);
  model.dragEnd({ x: 40, y: 30 });
  assert.deepEqual(model.state.objects[0]?.box, { x: 10, y: 10, width: 30, height: 20 });
  assert.equal(edits.length, 1);
});

test("a dragged point is one step of undo, however far it went", () => {
  const { model } = setUp();
  model.click({ x: 10, y: 10 }, null, PLAIN);
  model.dragBegin({ x: 10, y: 10 }, onPoint(0, 0), PLAIN);
  for (const x of [12, 20, 33]) model.dragMove({ x, y: 10 });
  model.dragEnd({ x: 40, y: 12 });
  assert.deepEqual(model.state.objects[0]?.points[0], { x: 40, y: 12, label: 1 });
  model.undo();
  assert.deepEqual(model.state.objects[0]?.points[0], { x: 10, y: 10, label: 1 });
});

test("a cancelled drag leaves everything as it was", () => {
  const { model, edits } = setUp();
  model.click({ x: 10, y: 10 }, null, PLAIN);
  const { text } = model;
  model.dragBegin({ x: 10, y: 10 }, onPoint(0, 0), PLAIN);
  model.dragMove({ x: 40, y: 40 });
  model.dragCancel();
  assert.equal(model.text, text);
  assert.equal(model.rubber, null);
  assert.equal(edits.length, 1);
});

test("an arrow key held down is one step of undo", () => {
  const { model } = setUp();
  model.click({ x: 10, y: 10 }, null, PLAIN);
  for (let i = 0; i < 5; i += 1) model.nudge(1, 0);
  assert.equal(model.state.objects[0]?.points[0]?.x, 15);
  model.undo();
  assert.equal(model.state.objects[0]?.points[0]?.x, 10);
});

test("remove takes the selection first and the active object else", () => {
  const { model } = setUp();
  model.click({ x: 1, y: 1 }, null, PLAIN);
  model.click({ x: 2, y: 2 }, null, PLAIN);
  model.remove();
  assert.deepEqual(labels(model), [[1]]);
  model.select(null);
  model.remove();
  assert.deepEqual(model.state.objects, []);
  assert.equal(model.active, 0);
});

test("undo brings back what clear removed", () => {
  const { model } = setUp();
  model.click({ x: 1, y: 1 }, null, PLAIN);
  const { text } = model;
  model.clear();
  assert.equal(model.text, "");
  model.undo();
  assert.equal(model.text, text);
});

test("loading the text it already has keeps the history", () => {
  const { model, edits } = setUp();
  model.click({ x: 1, y: 1 }, null, PLAIN);
  model.load(model.text);
  assert.ok(model.canUndo);
  model.load('[{"x": 5, "y": 6}]');
  assert.equal(model.canUndo, false);
  assert.equal(edits.length, 1);
});

test("a text that can't be read stays the value until the next edit", () => {
  const later = '{"version": 2, "objects": []}';
  for (const edit of ["click", "clear"]) {
    const { model, edits } = setUp();
    model.click({ x: 1, y: 1 }, null, PLAIN);
    assert.throws(() => model.load(later));
    assert.equal(model.text, later);
    assert.ok(model.unread);
    assert.deepEqual(model.state.objects, []);
    if (edit === "click") model.click({ x: 5, y: 6 }, null, PLAIN);
    else model.clear();
    assert.equal(model.unread, false);
    assert.equal(edits.length, 2);
    assert.equal(edits.at(-1) === "", edit === "clear");
  }
  const { model } = setUp();
  assert.throws(() => model.load("{"));
  model.load("");
  assert.equal(model.text, "");
});

test("renaming an object is an edit that keeps its prompts", () => {
  const { model } = setUp();
  model.click({ x: 1, y: 1 }, null, PLAIN);
  model.rename("cup");
  assert.equal(model.state.objects[0]?.name, "cup");
  assert.deepEqual(labels(model), [[1]]);
});

test("the keyboard goes through an object's items in a circle", () => {
  const { model } = setUp();
  model.click({ x: 1, y: 1 }, null, PLAIN);
  model.dragBegin({ x: 5, y: 5 }, null, PLAIN);
  model.dragEnd({ x: 9, y: 9 });
  model.select(null);
  const seen = [];
  for (let i = 0; i < 3; i += 1) {
    model.selectNext(1);
    seen.push(model.selected?.kind);
  }
  assert.deepEqual(seen, ["point", "box", "point"]);
});

/** @param {string} key @param {object} [held] */
const order = (key, held = {}) =>
  orderOf({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held });

test("keys mean what the help says", () => {
  assert.deepEqual(order("z", { ctrlKey: true }), { command: "undo" });
  assert.deepEqual(order("Z", { ctrlKey: true, shiftKey: true }), { command: "redo" });
  assert.deepEqual(order("y", { metaKey: true }), { command: "redo" });
  assert.deepEqual(order("Delete"), { command: "delete" });
  assert.deepEqual(order("Delete", { shiftKey: true }), { command: "clear" });
  assert.deepEqual(order("Enter", { altKey: true }), { command: "exclude" });
  assert.deepEqual(order("ArrowUp", { shiftKey: true }), { nudge: [0, -10] });
  assert.deepEqual(order("3"), { object: 2 });
});

test("keys of the page are left to it", () => {
  for (const key of ["s", "c", "Enter"]) assert.equal(order(key, { ctrlKey: true }), null);
  for (const key of ["q", "Tab", "F5", "Control"]) assert.equal(order(key), null);
});

test("what lies outside the image goes in one step that can be undone", () => {
  const { model } = setUp();
  model.load(JSON.stringify([{ x: 5, y: 5 }, { x: 5000, y: 5 }]));
  const before = model.text;
  model.dropOutside();
  assert.deepEqual(model.state.objects[0]?.points, [{ x: 5, y: 5, label: 1 }]);
  model.undo();
  assert.equal(model.text, before);
});
