import assert from "node:assert/strict";
import { test } from "node:test";

import { outline, tint } from "../../web/prompts/overlay.js";

/**
 * @param {string[]} rows  digits are object numbers
 * @returns {any} the label image
 */
function labels(...rows) {
  const width = rows[0]?.length ?? 0;
  const data = new Uint8ClampedArray(4 * width * rows.length);
  rows.forEach((row, y) => {
    [...row].forEach((digit, x) => (data[4 * (y * width + x)] = Number(digit)));
  });
  return { data, width, height: rows.length };
}

/** @param {number[] | undefined} lines @returns {string[]} each line as x0,y0-x1,y1, sorted */
const told = (lines = []) =>
  Array.from({ length: lines.length / 4 }, (_, i) => {
    const [a, b, c, d] = lines.slice(4 * i, 4 * i + 4);
    return `${a},${b}-${c},${d}`;
  }).sort();

test("a mask is tinted in its object's colour and clear elsewhere", () => {
  const { data } = tint(labels("00", "10"), false);
  assert.deepEqual([...data.slice(8, 11)], [0x2f, 0x9b, 0xff]);
  assert.ok(Number(data[11]) > 0 && Number(data[11]) < 255);
  assert.deepEqual([data[3], data[7], data[15]], [0, 0, 0]);
});

test("a soft mask is as strong as it says, in the colour of the strongest object", () => {
  const image = labels("000");
  image.data.set([0, 2, 51, 255, 2, 2, 255, 255, 0, 0, 0, 255]);
  const { data } = tint(image, true);
  const [half, full] = [Number(data[3]), Number(data[7])];
  assert.deepEqual([...data.slice(0, 3)], [...data.slice(4, 7)]);
  assert.equal(half, Math.round(full / 5));
  assert.equal(data[11], 0);
});

test("an outline is the fewest lines along the pixels' edges", () => {
  const found = outline(labels("0000", "0110", "0110", "0000"));
  assert.deepEqual([...found.keys()], [1]);
  assert.deepEqual(told(found.get(1)), ["1,1-1,3", "1,1-3,1", "1,3-3,3", "3,1-3,3"]);
});

test("the image's own border is no outline", () => {
  assert.equal(outline(labels("11", "11")).size, 0);
  assert.deepEqual(told(outline(labels("110", "110")).get(1)), ["2,0-2,2"]);
});

test("where two objects meet the line is the higher number's", () => {
  const found = outline(labels("12", "12"));
  assert.deepEqual([...found.keys()], [2]);
  assert.deepEqual(told(found.get(2)), ["1,0-1,2"]);
});

test("every border of a random image is in exactly one line", () => {
  const number = (/** @type {number} */ x, /** @type {number} */ y) => (x * x * 7 + y * y * 3) % 4;
  const rows = Array.from({ length: 12 }, (_, y) =>
    Array.from({ length: 15 }, (_unused, x) => String(number(x, y))).join(""),
  );
  /** @type {Map<string, number>} */
  const borders = new Map();
  for (let y = 0; y < 12; y += 1) {
    for (let x = 0; x < 15; x += 1) {
      const here = Number(rows[y]?.[x]);
      const [left, up] = [Number(rows[y]?.[x - 1] ?? here), Number(rows[y - 1]?.[x] ?? here)];
      if (left !== here) borders.set(`${x},${y}-${x},${y + 1}`, Math.max(left, here));
      if (up !== here) borders.set(`${x},${y}-${x + 1},${y}`, Math.max(up, here));
    }
  }
  /** @type {Map<string, number>} */
  const drawn = new Map();
  for (const [owner, lines] of outline(labels(...rows))) {
    for (let i = 0; i < lines.length; i += 4) {
      const [a, b, c, d] = /** @type {[number, number, number, number]} */ (lines.slice(i, i + 4));
      for (let x = a; x < c; x += 1) drawn.set(`${x},${b}-${x + 1},${b}`, owner);
      for (let y = b; y < d; y += 1) drawn.set(`${a},${y}-${a},${y + 1}`, owner);
    }
  }
  assert.deepEqual([...drawn].sort(), [...borders].sort());
});
