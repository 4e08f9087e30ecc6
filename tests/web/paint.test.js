import assert from "node:assert/strict";
import { test } from "node:test";

import { COLOURS, colourOf, nameLeft } from "../../web/prompts/paint.js";

test("a name stands to the right of its point, and to the left where the canvas ends", () => {
  assert.equal(nameLeft(100, 50, 400, 12), 112);
  assert.equal(nameLeft(390, 50, 400, 12), 328);
});

test("a name over a box is pushed back onto the canvas", () => {
  assert.equal(nameLeft(100, 50, 400, -1), 99);
  assert.equal(nameLeft(380, 50, 400, -1), 350);
});

test("a name wider than the canvas begins where that does", () => {
  assert.equal(nameLeft(20, 500, 400, 12), 0);
  assert.equal(nameLeft(20, 500, 400, -1), 0);
});

test("objects beyond the last colour have colours of their own", () => {
  const given = Array.from({ length: 3 * COLOURS.length }, (_, i) => colourOf(i));
  assert.deepEqual(given.slice(0, COLOURS.length), COLOURS);
  assert.equal(new Set(given).size, given.length);
  assert.ok(given.every((colour) => /^#[0-9a-f]{6}$/.test(colour)));
});
