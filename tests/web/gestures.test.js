import assert from "node:assert/strict";
import { test } from "node:test";

import { Gestures, LONG_PRESS_MS } from "../../web/prompts/gestures.js";

/** A recorder of meanings, and a clock that the test moves. */
function setUp() {
  /** @type {any[]} */
  const said = [];
  /** @type {{ms: number, then: () => void}[]} */
  let timers = [];
  const note = (/** @type {string} */ name) => (/** @type {any[]} */ ...args) => {
    said.push([name, ...args]);
  };
  const gestures = new Gestures(
    {
      click: note("click"),
      dragBegin: note("begin"),
      dragMove: note("move"),
      dragEnd: note("end"),
      dragCancel: note("cancel"),
      pan: note("pan"),
      zoom: note("zoom"),
    },
    (ms, then) => {
      const timer = { ms, then };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
  );
  const wait = () => {
    const due = timers;
    timers = [];
    for (const timer of due) {
      assert.equal(timer.ms, LONG_PRESS_MS);
      timer.then();
    }
  };
  return { gestures, said, wait };
}

/** @returns {any} */
const press = (x = 10, y = 20, more = {}) => ({
  id: 1,
  type: "mouse",
  at: { x, y },
  button: 0,
  exclude: false,
  fresh: false,
  space: false,
  unit: 1,
  ...more,
});
const include = { exclude: false, fresh: false, touch: false };

test("press and release is a click where it was pressed", () => {
  const { gestures, said } = setUp();
  gestures.down(press());
  gestures.move(1, { x: 12, y: 21 });
  gestures.up(1, { x: 12, y: 21 });
  assert.deepEqual(said, [["click", { x: 10, y: 20 }, include]]);
  assert.equal(gestures.phase, "idle");
});

test("the right button or a modifier excludes, Shift begins a new object", () => {
  const { gestures, said } = setUp();
  for (const more of [{ button: 2 }, { exclude: true }, { fresh: true }]) {
    gestures.down(press(1, 1, more));
    gestures.up(1, { x: 1, y: 1 });
  }
  assert.deepEqual(
    said.map(([, , intent]) => [intent.exclude, intent.fresh]),
    [[true, false], [true, false], [false, true]],
  );
});

test("moving further than the slop is a drag from where it was pressed", () => {
  const { gestures, said } = setUp();
  gestures.down(press());
  gestures.move(1, { x: 30, y: 20 });
  gestures.up(1, { x: 31, y: 25 });
  assert.deepEqual(said, [
    ["begin", { x: 10, y: 20 }, include],
    ["move", { x: 30, y: 20 }],
    ["end", { x: 31, y: 25 }],
  ]);
});

test("the middle button, the right one moved, and Space held pan", () => {
  for (const more of [{ button: 1 }, { button: 2 }, { space: true }]) {
    const { gestures, said } = setUp();
    gestures.down(press(0, 0, more));
    gestures.move(1, { x: 9, y: 0 });
    gestures.move(1, { x: 12, y: 5 });
    gestures.up(1, { x: 12, y: 5 });
    assert.deepEqual(said.at(-1), ["pan", 3, 5]);
    assert.ok(said.every(([name]) => name === "pan"));
  }
});

test("a long press with a finger excludes, and its release adds nothing", () => {
  const { gestures, said, wait } = setUp();
  gestures.down(press(5, 5, { type: "touch" }));
  wait();
  gestures.up(1, { x: 5, y: 5 });
  assert.deepEqual(said, [["click", { x: 5, y: 5 }, { exclude: true, fresh: false, touch: true }]]);
});

test("a tap is over before the long press", () => {
  const { gestures, said, wait } = setUp();
  gestures.down(press(5, 5, { type: "touch" }));
  gestures.up(1, { x: 5, y: 5 });
  wait();
  assert.equal(said.length, 1);
  assert.equal(said[0][2].exclude, false);
});

test("two fingers zoom about their middle and never click", () => {
  const { gestures, said, wait } = setUp();
  gestures.down(press(100, 100, { type: "touch" }));
  gestures.down(press(200, 100, { type: "touch", id: 2 }));
  gestures.move(2, { x: 300, y: 100 });
  wait();
  gestures.up(1, { x: 100, y: 100 });
  gestures.up(2, { x: 300, y: 100 });
  assert.deepEqual(said, [["pan", 50, 0], ["zoom", 2, { x: 200, y: 100 }]]);
  assert.equal(gestures.phase, "idle");
});

test("a second finger takes back the drag of the first", () => {
  const { gestures, said } = setUp();
  gestures.down(press(100, 100, { type: "touch" }));
  gestures.move(1, { x: 150, y: 100 });
  gestures.down(press(200, 100, { type: "touch", id: 2 }));
  assert.deepEqual(said.at(-1), ["cancel"]);
});

test("a cancelled gesture does nothing on release", () => {
  const { gestures, said } = setUp();
  gestures.down(press());
  gestures.cancel();
  gestures.up(1, { x: 10, y: 20 });
  assert.deepEqual(said, []);
});

test("on a graph that is zoomed out a shaky click is still a click", () => {
  const { gestures, said } = setUp();
  gestures.down(press(10, 20, { unit: 3 }));
  gestures.move(1, { x: 19, y: 20 });
  gestures.up(1, { x: 19, y: 20 });
  assert.deepEqual(said.map(([name]) => name), ["click"]);
});
