import assert from "node:assert/strict";
import { test } from "node:test";

import { Memory } from "../../web/prompts/memory.js";

/** A browser's storage that holds `text` and takes at most `room` characters. */
function storage(text = "", room = Infinity) {
  let held = text;
  return {
    getItem: () => held,
    setItem: (/** @type {string} */ _, /** @type {string} */ value) => {
      if (value.length > room) throw new Error("no room");
      held = value;
    },
  };
}

/** @param {string} name @returns {any} */
const entry = (name) => ({ preview: { labels: { filename: name } }, picture: "" });

test("a node's last result is recalled by another page", () => {
  const held = storage();
  new Memory(held).remember("w/1", entry("a"));
  new Memory(held).remember("w/1", entry("b"));
  new Memory(held).remember("w/2", entry("c"));
  assert.deepEqual(new Memory(held).recall("w/1"), entry("b"));
  assert.equal(new Memory(held).recall("w/3"), null);
});

test("of very many nodes those that ran last are remembered", () => {
  const memory = new Memory(storage());
  for (let i = 0; i < 200; i += 1) memory.remember(`w/${i}`, entry(String(i)));
  assert.equal(memory.recall("w/0"), null);
  assert.deepEqual(memory.recall("w/199"), entry("199"));
});

test("a full storage or a text of somebody else is no error", () => {
  for (const text of ["", "{", "7", "[1]", "null"]) {
    const memory = new Memory(storage(text, 0));
    memory.remember("w/1", entry("a"));
    assert.equal(memory.recall("w/1"), null);
  }
});
