import assert from "node:assert/strict";
import { test } from "node:test";

import { History } from "../../web/prompts/history.js";

test("undo steps back and redo steps forward again", () => {
  const history = new History(0);
  history.commit(1);
  history.commit(2);
  assert.ok(history.undo());
  assert.ok(history.undo());
  assert.equal(history.now, 0);
  assert.ok(history.redo());
  assert.equal(history.now, 1);
});

test("at either end nothing moves", () => {
  const history = new History("only");
  assert.equal(history.undo(), false);
  assert.equal(history.redo(), false);
  assert.equal(history.now, "only");
});

test("a new edit forgets what was undone", () => {
  const history = new History(0);
  history.commit(1);
  history.undo();
  history.commit(2);
  assert.equal(history.canRedo, false);
  history.undo();
  assert.equal(history.now, 0);
});

test("the same value again is no step", () => {
  const history = new History(0);
  history.commit(0);
  assert.equal(history.canUndo, false);
});

test("a value from outside starts over", () => {
  const history = new History(0);
  history.commit(1);
  history.reset(7);
  assert.equal(history.now, 7);
  assert.equal(history.canUndo, false);
});

test("only the last 200 steps are kept", () => {
  const history = new History(0);
  for (let i = 1; i <= 500; i += 1) history.commit(i);
  let steps = 0;
  while (history.undo()) steps += 1;
  assert.equal(steps, 200);
  assert.equal(history.now, 300);
});
